"""Ordered classes: where their order comes from, and what has none."""

from __future__ import annotations

from typing import Any

import datasets
import pytest
from pydantic import TypeAdapter

from mtl_accel.config.sections.tasks import TaskConfig
from mtl_accel.data.labels.reader import LabelReader

ORDINAL = {"kind": "ordinal", "column": "grade"}


def read(cells: list[Any], **options: Any):
    """The task of a column, its targets, and the reader with its notes and problems."""
    table = datasets.Dataset.from_dict({"id": [str(row) for row in range(len(cells))], "grade": cells})
    reader = LabelReader({"train": table}, {"id"})
    task = reader.find_tasks({"it": TypeAdapter(TaskConfig).validate_python(ORDINAL | options)})["it"]
    return task, reader.read_targets(task, "train"), reader


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["10", "2.0", "-1", "NA", None], ("-1", "2", "10")),
        ([10, 2, -1, None, None], ("-1", "2", "10")),
        (["1e1", "0.5", "-1.5", "?", ""], ("-1.5", "0.5", "1e1")),
    ],
)
def test_numbers_have_the_order_of_their_values(cells, classes):
    task, targets, reader = read(cells)
    assert task.classes == classes and task.num_outputs == 2 and task.is_one_column
    assert targets.target.tolist() == [2, 1, 0, 0, 0] and targets.mask.tolist() == [True] * 3 + [False] * 2
    assert reader.notes == [f"it: the order of the classes is {' < '.join(classes)}"] and not reader.problems


def test_listed_classes_have_the_order_of_the_list():
    task, targets, reader = read(["L", "S", "XL", "null"], classes=("S", "M", "L", "XL"))
    assert task.num_outputs == 3 and targets.target.tolist() == [2, 0, 3, 0]
    assert targets.mask.tolist() == [True, True, True, False] and not reader.problems
    _, _, reader = read(["L", "medium"], classes=("S", "M", "L"))
    (problem,) = reader.problems
    assert "'medium'" in problem and "is none of the 3 classes" in problem


def test_a_class_may_have_the_name_of_a_missing_value():
    _, targets, reader = read(["none", "some", "all"], classes=("none", "some", "all"))
    assert targets.target.tolist() == [0, 1, 2] and targets.mask.all() and not reader.problems


def test_the_loss_decides_what_the_outputs_mean():
    assert read(["1", "2"])[0].link == "cumulative"
    assert read(["1", "2"], loss={"name": "corn"})[0].link == "conditional"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["S", "2", "M"], "holds 'M', 'S', which is no number and has no order; name the classes from the lowest to"),
        (["0.5", "0.50"], "spells a number in two ways: 0.5, 0.50"),
        (["3", "3.0"], "an order needs two classes at least, and here it has 3; name those"),
    ],
)
def test_a_column_without_an_order_is_refused_with_the_line_to_add(cells, message):
    (problem,) = read(cells)[2].problems
    assert problem.startswith("tasks.it.classes: ") and message in problem


def test_one_listed_class_is_no_order():
    (problem,) = read(["S"], classes=("S",))[2].problems
    assert "an order needs two classes at least, and here it has S" in problem


def test_indexes_have_the_order_of_their_numbers():
    task, targets, reader = read(["10", "2", "L"], classes={"10": "L", "2": "S", "5": "M"})
    assert task.classes == ("S", "M", "L") and targets.target.tolist() == [2, 0, 2] and not reader.problems
