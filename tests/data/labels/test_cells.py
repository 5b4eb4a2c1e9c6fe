"""Cells as people write them: yes and no, -1 and 1, ticks, words for a missing value, numbers.

Each reading is unambiguous or an error, and what was inferred is a line for the log.
"""

from __future__ import annotations

import pytest
from everyday import Found
from hypothesis import given
from hypothesis import strategies as st

from mtl_accel.data.labels.cells import binary_value

BINARY = {"kind": "multilabel", "columns": ["a", "b"]}
TAGS = {"kind": "multilabel", "column": "tags"}
CLASS = {"kind": "multiclass", "column": "class"}
PRICE = {"kind": "regression", "columns": ["price"]}


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


def test_a_tick_list_is_read_by_values_in_columns_that_are_named_and_in_those_that_are_found():
    ticks = {"values": {"x": 1, "": 0}}
    table = {"a": ["x", "", None], "b": ["", "x", "?"], "text": ["u", "v", "x"]}
    for config in (BINARY, {"kind": "multilabel"}):
        found = Found(config | ticks, table)
        assert found.problems == [] and found.task.classes == ("a", "b")
        assert found.values() == [[1, 0], [0, 1], [0, None]]
    (problem,) = Found(BINARY, {"a": ["x", ""], "b": ["1", "0"]}).problems
    assert "must be 0, 1 or blank; found id 0.png: 'x'" in problem and 'such as {"x": 1, "": 0}' in problem


def test_a_blank_may_mean_a_class_a_label_or_no_label_of_a_list():
    assert Found(CLASS | {"values": {"": "none"}}, {"class": ["a", None]}).task.classes == ("a", "none")
    named = Found(TAGS | {"values": {"": "none"}}, {"tags": ["a", None]})
    assert named.task.classes == ("a", "none") and named.values() == [[1, 0], [0, 1]]
    assert Found(TAGS | {"values": {"": ""}}, {"tags": ["a", None]}).values() == [[1], [0]]


@pytest.mark.parametrize("cell", ["1,250", "1 250", "1.250,00", "$12", "12 EUR"])
def test_separators_of_thousands_and_units_are_an_error_that_says_how_to_write_a_number(cell):
    (problem,) = Found(PRICE, {"price": ["1.5", cell]}).problems
    assert f"found id 1.png: {cell!r}. Write 1250.5 for 1,250.50, 1 250,50 or $1250.50" in problem


@given(st.text(max_size=10))
def test_any_text_spells_0_1_minus_one_or_nothing(text):
    assert binary_value(text) in (0, 1, -1, None)
