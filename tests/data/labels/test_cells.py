"""Cells as people write them: yes and no, -1 and 1, words for a missing value, lists in a cell, numbers as classes.

Each reading is unambiguous or an error, and what was inferred is a line for the log.
"""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mtl_accel.config.sections.tasks import TaskConfig
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.cells import binary_value, split_labels
from mtl_accel.data.labels.reader import LabelReader, Targets

BINARY = {"kind": "multilabel", "columns": ["a", "b"]}
TAGS = {"kind": "multilabel", "column": "tags"}
CLASS = {"kind": "multiclass", "column": "class"}
PRICE = {"kind": "regression", "columns": ["price"]}


class Found:
    """A task named "it", its targets, and what the reader says."""

    def __init__(self, config: dict, train: dict[str, list], **others: dict[str, list]) -> None:
        splits = {
            name: datasets.Dataset.from_dict(
                {"id": [f"{row}.png" for row in range(len(next(iter(table.values()))))], **table}
            )
            for name, table in ({"train": train} | others).items()
        }
        self.reader = LabelReader(splits, {"id", "image"})
        tasks = self.reader.find_tasks({"it": TypeAdapter(TaskConfig).validate_python(config)})
        self.task: Task = tasks["it"]
        self.targets: dict[str, Targets] = {name: self.reader.read_targets(self.task, name) for name in splits}
        self.problems = self.reader.problems
        self.notes = [*self.reader.notes, *self.reader.describe_missing()]

    def values(self, split: str = "train") -> list:
        """The targets, with None where there is no label."""
        target, mask = self.targets[split]
        return np.where(mask, target, None).tolist()


@pytest.mark.parametrize(
    ("one", "zero"),
    [
        ("1", "0"),
        ("1.0", "0.0"),
        ("1.00", "0.00"),
        ("TRUE", "FALSE"),
        ("True", "false"),
        ("t", "F"),
        ("Yes", "no"),
        ("Y", "n"),
    ],
)
def test_spellings_of_yes_and_no_are_read_in_columns_that_are_named_and_in_those_that_are_found(one, zero):
    table = {"a": [one, zero, ""], "b": [zero, one, one], "text": ["x", "y", "z"]}
    for config in (BINARY, {"kind": "multilabel"}):
        found = Found(config, table)
        assert found.problems == [] and found.task.classes == ("a", "b")
        assert found.values() == [[1, 0], [0, 1], [None, 1]]


def test_a_column_of_one_letter_alone_is_no_label():
    found = Found({"kind": "multilabel"}, {"a": ["1", "0"], "gender": ["F", "F"]})
    assert found.task.classes == ("a",)
    assert found.notes == ["it: labels a; not gender (train: only 'f', which need not mean yes or no)"]


def test_minus_one_is_a_no_where_nothing_is_0():
    found = Found(BINARY, {"a": ["-1", "1"], "b": ["1", "-1.0"]}, validation={"a": ["-1"], "b": ["1"]})
    assert found.problems == [] and found.values() == [[0, 1], [1, 0]] and found.values("validation") == [[0, 1]]
    assert found.notes == ["it: -1 is read as 0, since no cell of a, b is 0"]


def test_minus_one_beside_0_is_an_error_that_shows_the_two_lines_to_choose_from():
    (problem,) = Found(BINARY, {"a": ["-1", "1"], "b": ["1", "0"]}).problems
    assert (
        "a, b hold -1, 0 and 1" in problem and '"values": {"-1": 0}' in problem and '"values": {"-1": null}' in problem
    )


@pytest.mark.parametrize(("meaning", "value"), [(0, 0), (None, None), (1, 1)])
def test_values_say_what_a_cell_means(meaning, value):
    found = Found(BINARY | {"values": {"-1": meaning}}, {"a": ["-1", "1"], "b": ["1", "0"]})
    assert found.problems == [] and found.values() == [[value, 1], [1, 0]]


def test_values_serve_classes_and_numbers_too():
    found = Found(CLASS | {"values": {"?": None, "automobile": "car"}}, {"class": ["?", "automobile", "car", "bus"]})
    assert found.task.classes == ("bus", "car") and found.values() == [None, 1, 1, 0]
    tags = Found(TAGS | {"values": {"?": None, "crimson": "red"}}, {"tags": ["red,?", "crimson,blue", "?"]})
    assert tags.task.classes == ("blue", "red") and tags.values() == [[0, 1], [1, 1], [None, None]]
    assert Found(PRICE | {"values": {"free": 0}}, {"price": ["free", "2"]}).values() == [[0], [2]]


@pytest.mark.parametrize("word", ["NaN", "NA", "n/a", "null", "None", "?"])
def test_a_word_for_a_missing_value_is_a_blank_in_columns_of_numbers_and_of_0_and_1(word):
    price = Found(PRICE, {"price": ["1.5", word, word]})
    assert price.problems == [] and price.values() == [[1.5], [None], [None]]
    assert price.notes == [f"it: read as missing: {word} (2 cells)"]
    labels = Found({"kind": "multilabel"}, {"a": ["1", "0", word]})
    assert labels.task.classes == ("a",) and labels.values() == [[1], [0], [None]]


def test_a_class_may_be_called_na():
    assert Found(CLASS, {"class": ["NA", "EU"]}).task.classes == ("EU", "NA")


def test_numbers_with_and_without_a_decimal_point_are_the_same_class():
    found = Found(CLASS, {"class": ["1.0", "2.0", "10.0"]}, validation={"class": ["1", "10"]})
    assert found.task.classes == ("1", "2", "10") and found.values("validation") == [0, 2] and not found.problems


def test_zip_codes_versions_and_names_stay_as_they_are():
    assert Found(CLASS, {"class": ["007", "7"]}).task.classes == ("007", "7")
    assert Found(CLASS, {"class": ["1.0", "1.1", "1"]}).task.classes == ("1", "1.0", "1.1")


@pytest.mark.parametrize(
    "cells",
    [
        ["['long dress']", "['red', 'long dress']", "[]"],
        ['["long dress"]', '["red", "long dress"]', "[]"],
        [["long dress"], ["red", "long dress"], []],
        ["long dress", "red,long dress", ""],
        ["long dress", "red; long dress", None],
        ["long dress", "red|long dress", None],
    ],
)
def test_lists_of_labels_are_read_in_every_usual_notation(cells):
    found = Found(TAGS, {"tags": cells})
    assert found.problems == [] and found.task.classes == ("long dress", "red")
    assert found.values()[:2] == [[1, 0], [1, 1]]


def test_the_delimiter_that_was_found_is_a_line_in_the_log():
    assert Found(TAGS, {"tags": ["a;b", "c d"]}).notes == ["it: names in column tags are separated by ';'"]
    assert Found(TAGS, {"tags": ["a b", "c"]}).notes == ["it: names in column tags are separated by ' '"]
    assert Found(TAGS, {"tags": ["a", "c"]}).notes == []


def test_two_delimiters_are_an_error_with_both_readings():
    problem = Found(TAGS, {"tags": ["a,b;c", "d"]}).problems[0]
    assert "['a', 'b;c'], by ','" in problem and "['a,b', 'c'], by ';'" in problem
    assert Found(TAGS | {"delimiter": ";"}, {"tags": ["a,b;c", "d"]}).task.classes == ("a,b", "c", "d")


@pytest.mark.parametrize("cell", ["['red'", "['red' 'blue']", "[red]", "[['red']]", "[" * 5000])
def test_a_broken_list_is_never_a_label(cell):
    found = Found(TAGS, {"tags": ["['blue']", cell]})
    assert found.task.classes == ("blue",)
    assert len(found.problems) == 1 and "is a list that cannot be read" in found.problems[0]


@given(st.text(max_size=20))
def test_any_text_is_a_list_of_names_or_a_broken_list(text):
    for delimiter in (",", " "):
        names = split_labels(text, delimiter)
        assert text.startswith("[") if names is None else all(name == name.strip() and name for name in names)


@given(st.text(max_size=10))
def test_any_text_spells_0_1_minus_one_or_nothing(text):
    assert binary_value(text) in (0, 1, -1, None)
