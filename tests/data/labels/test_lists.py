"""Lists of labels in a cell: in every usual notation, and never a part of a list as a label."""

from __future__ import annotations

import pytest
from everyday import Found
from hypothesis import given
from hypothesis import strategies as st

from mtl_accel.data.labels.cells import split_labels

TAGS = {"kind": "multilabel", "column": "tags"}


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


@pytest.mark.parametrize("cell", ["{red}", "red']", "'red'", "('red'", "[red", "size [cm]]"])
def test_what_looks_cut_out_of_a_list_is_never_a_label(cell):
    found = Found(TAGS | {"delimiter": ","}, {"tags": ["blue", cell]})
    assert found.task.classes == ("blue",) and "is a list that cannot be read" in found.problems[0]


def test_tuples_and_sets_of_python_are_lists_and_brackets_in_pairs_are_names():
    found = Found(TAGS, {"tags": ["('red', 'blue')", "{'red'}", "size [cm], (none)"]})
    assert found.problems == [] and found.task.classes == ("(none)", "blue", "red", "size [cm]")


def test_a_label_may_have_the_name_of_its_only_column():
    found = Found(TAGS, {"tags": ["tags", "[]", None]})
    assert found.problems == [] and found.task.classes == ("tags",) and found.values() == [[1], [0], [None]]


@given(st.text(max_size=20))
def test_any_text_is_a_list_of_names_or_a_broken_list(text):
    for delimiter in (",", " "):
        names = split_labels(text, delimiter)
        if names is None:
            assert set(text) & set("[]{}'\"")
        else:
            assert all(name == name.strip() and name for name in names)
