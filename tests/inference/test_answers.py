"""From probabilities to a table: what is decided, and what the columns are called."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Kind, Task
from mtl_accel.inference.answers import column_names, table
from mtl_accel.metrics.registry import primary_metric


def task(name: str, kind: Kind, *classes: str) -> Task:
    columns = (name,) if kind in ("multiclass", "ordinal") else classes
    return Task(name, kind, columns, classes, primary_metric(kind), link="conditional" if kind == "ordinal" else None)


TASKS = {
    "category": task("category", "multiclass", "shirt", "001", "NA"),
    "attribute": task("attribute", "multilabel", "zip", "hood"),
    "size": task("size", "regression", "height", "width"),
    "grade": task("grade", "ordinal", "poor", "fair", "good"),
}
SCORES = {
    "category": np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]]),
    "attribute": np.array([[0.5, 0.25], [np.nextafter(0.5, 0), 0.75], [1.0, 0.0]]),
    "size": np.array([[1.5, -2.0], [0.1, 1e-9], [3.0, 1e9]]),
    "grade": np.array([[0.4, 0.3, 0.3], [0.5, 0.0, 0.5], [0.1, 0.2, 0.7]]),
}
THRESHOLDS = {"attribute": np.array([0.5, 0.25])}
IDS = ["a", "b", "c"]


def test_a_label_is_there_from_its_threshold_on_the_first_of_equal_classes_is_taken_and_of_ordered_ones_the_median():
    answers = table(IDS, SCORES, TASKS, THRESHOLDS)
    assert list(answers) == ["id", "category", "zip", "hood", "height", "width", "grade"]
    assert answers.to_dict("list") == {
        "id": IDS,
        "category": ["001", "shirt", "NA"],
        "zip": [1, 0, 1],
        "hood": [1, 1, 0],
        "height": [1.5, 0.1, 3.0],
        "width": [-2.0, 1e-9, 1e9],
        "grade": ["fair", "poor", "good"],
    }
    assert answers["zip"].dtype == np.int64 and answers["width"].dtype == np.float64


def test_probabilities_are_those_of_classes_and_labels_and_numbers_have_none():
    answers = table(IDS, SCORES, TASKS, THRESHOLDS, id_name="filename", probabilities=True)
    added = ["category/shirt", "category/001", "category/NA", "attribute/zip", "attribute/hood"]
    added += ["grade/poor", "grade/fair", "grade/good"]
    assert answers.columns[0] == "filename" and list(answers)[7:] == added
    assert (answers[added[:3]].to_numpy() == SCORES["category"]).all()


def test_a_name_that_is_there_twice_gets_its_task_before_it():
    tasks = {name: task(name, "multilabel", *labels) for name, labels in {"top": "ab", "legs": "bc"}.items()}
    assert column_names(tasks, "c") == {"top": ["a", "top.b"], "legs": ["legs.b", "legs.c"]}
    assert column_names({"top": task("top", "multiclass", "x")}, "top") == {"top": ["top.top"]}


def test_names_that_still_meet_are_refused_by_name():
    tasks = {"x": task("x", "multiclass", "y"), "t": task("t", "multilabel", "x/y", "z")}
    scores = {"x": np.ones((3, 1)), "t": np.ones((3, 2))}
    assert len(table(IDS, scores, tasks, {"t": np.ones(2)})) == 3
    with pytest.raises(UserError, match="two columns 'x/y'"):
        table(IDS, scores, tasks, {"t": np.ones(2)}, probabilities=True)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_no_answer(wrong):
    broken = SCORES | {"attribute": SCORES["attribute"].copy()}
    broken["attribute"][1, 1] = wrong
    with pytest.raises(UserError, match=r"task attribute: the output for 1 of 3 pictures is not finite, such as for b"):
        table(IDS, broken, TASKS, THRESHOLDS)
