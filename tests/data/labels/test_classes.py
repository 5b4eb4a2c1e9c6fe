"""Classes: from the cells, by index, from one column each; and what is no column of classes."""

from __future__ import annotations

import numpy as np
import pytest
from everyday import Found

CLASS = {"kind": "multiclass", "column": "class"}
TAGS = {"kind": "multilabel", "column": "tags"}
ONE_HOT = {"kind": "multiclass", "columns": ["cat", "dog", "bird"]}


def test_a_class_may_be_called_na():
    assert Found(CLASS, {"class": ["NA", "EU"]}).task.classes == ("EU", "NA")


def test_numbers_with_and_without_a_decimal_point_are_the_same_class():
    found = Found(CLASS, {"class": ["1.0", "2.0", "10.0"]}, validation={"class": ["1", "10"]})
    assert found.task.classes == ("1", "2", "10") and found.values("validation") == [0, 2] and not found.problems


def test_zip_codes_versions_and_names_stay_as_they_are():
    assert Found(CLASS, {"class": ["007", "7"]}).task.classes == ("007", "7")
    assert Found(CLASS, {"class": ["1.0", "1.1", "1"]}).task.classes == ("1", "1.0", "1.1")


def test_one_column_for_each_class_is_a_multiclass_task():
    table = {"cat": ["1", "0", "", "0.0"], "dog": ["0", "1", "", ""], "bird": ["0", "", "", "TRUE"]}
    found = Found(ONE_HOT, table)
    assert found.problems == [] and found.task.classes == ("cat", "dog", "bird")
    assert found.values() == [0, 1, None, 2] and found.targets["train"].target.dtype == np.int64


def test_rows_with_two_classes_or_none_are_named():
    table = {"cat": ["1", "0", "1"], "dog": ["1", "0", "0"], "bird": ["0", "", "0"]}
    (problem,) = Found(ONE_HOT, table).problems
    assert "a row must have one 1" in problem and "found id 0.png: cat and dog, id 1.png: no 1. Correct" in problem
    none = Found(ONE_HOT | {"values": {"0": None}}, {**table, "dog": ["0", "0", "0"]})
    assert none.problems == [] and none.values() == [0, None, 0]


@pytest.mark.parametrize("cells", [["['red', 'blue']", "['red']"], [["red", "blue"], ["red"]]])
def test_a_column_of_lists_is_no_column_of_classes(cells):
    assert "holds lists, such as" in Found(CLASS, {"class": cells}).problems[0]


def test_indexes_are_read_as_the_names_that_the_config_gives_them():
    found = Found(CLASS | {"classes": {"10": "dog", "7": "cat"}}, {"class": ["7", "10.0", "dog", ""]})
    assert found.problems == [] and found.task.classes == ("cat", "dog") and found.values() == [0, 1, 1, None]
    tags = Found(TAGS | {"classes": {"0": "red", "1": "blue"}}, {"tags": ["0,1", "1,0", "1,red"]})
    assert tags.problems == [] and tags.values() == [[1, 1], [1, 1], [1, 1]]
    assert "found id 1.png: '8'" in Found(CLASS | {"classes": {"7": "cat"}}, {"class": ["7", "8"]}).problems[0]


def test_decimal_numbers_of_which_most_occur_once_are_no_classes():
    prices = [f"{n}.5" for n in range(24)]
    (problem,) = Found(CLASS, {"class": prices}).problems
    assert "24 classes in column 'class', and 24 of them have one row" in problem
    assert '{"kind": "regression", "columns": ["class"]}' in problem
    assert Found(CLASS | {"classes": prices}, {"class": prices}).problems == []
    twice = Found(CLASS, {"class": prices * 2})
    assert twice.problems == [] and "if these are numbers to predict" in twice.notes[0]
    ids = Found(CLASS, {"class": [f"garment {n}" for n in range(24)]})
    assert ids.problems == [] and ids.notes == ["it: 24 classes in column 'class', and 24 of them have one row"]
    assert Found(CLASS, {"class": [str(n % 8) for n in range(24)]}).notes == []
