"""Confident learning against its paper's rules, written out, and against planted label errors."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_accel.core.tasks import Scale, Task
from mtl_accel.preflight.diagnosis.confident_learning import confident_classes, find_suspects

CLASS = Task("category", "multiclass", ("category",), ("shirt", "dress", "coat"), "accuracy")
LABELS = Task("attribute", "multilabel", ("zip", "hood"), ("zip", "hood"), "f1_macro")
PRICE = Task("price", "regression", ("price",), ("price",), "r2")


def confident_class_by_the_paper(probabilities: np.ndarray, given: np.ndarray, row: int) -> int:
    """Equations 1 and 2 of Northcutt, Jiang and Chuang (2021), class by class."""
    num_classes = probabilities.shape[1]
    best = -1
    for j in range(num_classes):
        of_class = [probabilities[i, j] for i in range(len(given)) if given[i] == j]
        if of_class and probabilities[row, j] >= np.mean(of_class):
            best = j if best < 0 or probabilities[row, j] > probabilities[row, best] else best
    return best


def test_the_confident_class_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 200)
    given = rng.integers(0, 3, 200)  # class 3 is given to no row, so none is confidently in it
    expected = [confident_class_by_the_paper(probabilities, given, row) for row in range(200)]
    assert confident_classes(probabilities, given).tolist() == expected
    assert -1 in expected and 3 not in expected


def test_an_error_is_what_is_confidently_of_another_class_and_the_least_probable_label_comes_first():
    scores = np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.1, 0.85, 0.05], [0.02, 0.95, 0.03], [0.05, 0.9, 0.05]])
    target = np.array([0, 0, 1, 0, 2])
    found = find_suspects(CLASS, scores, target, np.ones(5, bool))
    assert found.rows.tolist() == [3, 4] and found.suggested.tolist() == [1, 1]
    np.testing.assert_allclose(found.doubt, [0.98, 0.95])


def test_a_given_class_that_is_the_most_probable_one_is_not_doubted():
    scores = np.array([[0.99, 0.01, 0.0], [0.6, 0.4, 0.0], [0.7, 0.3, 0.0], [0.65, 0.35, 0.0]])
    target = np.array([0, 0, 1, 1])  # row 1 reaches the threshold of class 1 and not that of class 0
    assert confident_classes(scores, target)[1] == 1
    assert 1 not in find_suspects(CLASS, scores, target, np.ones(4, bool)).rows


def test_ordered_classes_are_doubted_as_others_are_but_not_the_one_that_is_predicted():
    task = Task("size", "ordinal", ("size",), ("S", "M", "L"), "accuracy", link="cumulative")
    scores = np.array([[0.4, 0.15, 0.45], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05], [0.9, 0.05, 0.05]])
    target = np.array([1, 2, 0, 2])  # the median class of row 0 is M, though it is the least probable
    found = find_suspects(task, scores, target, np.ones(4, bool))
    assert found.rows.tolist() == [3] and found.suggested.tolist() == [0]


def test_rows_without_a_label_are_not_suspected_and_count_for_no_threshold():
    scores = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.05, 0.95, 0.0], [0.0, 0.99, 0.01]])
    mask = np.array([True, True, False, True])
    found = find_suspects(CLASS, scores, np.array([0, 1, 0, 0]), mask)
    assert found.rows.tolist() == [3]


def planted(task: Task, rng: np.random.Generator, num_rows: int = 1000, share: float = 0.05):
    """Probabilities of a good model, and labels of which a share was flipped: scores, target, {(row, output)}."""
    shape = num_rows if task.kind == "multiclass" else (num_rows, task.num_outputs)
    truth = rng.integers(0, task.num_outputs if task.kind == "multiclass" else 2, shape)
    flat = np.zeros(truth.size, bool)
    flat[rng.choice(truth.size, int(share * truth.size), replace=False)] = True
    flips = flat.reshape(truth.shape)
    if task.kind == "multiclass":
        logits = rng.normal(0, 1, (num_rows, task.num_outputs)) + 8 * np.eye(task.num_outputs)[truth]
        target = np.where(flips, (truth + rng.integers(1, task.num_outputs, truth.shape)) % task.num_outputs, truth)
        rows = np.flatnonzero(flips)
        return task.probabilities(logits), target, set(zip(rows.tolist(), [0] * len(rows), strict=True))
    scores = task.probabilities(rng.normal(0, 1, truth.shape) + np.where(truth, 5, -5))
    return (
        scores,
        np.where(flips, 1 - truth, truth),
        set(zip(*(part.tolist() for part in np.nonzero(flips)), strict=True)),
    )


@pytest.mark.parametrize("task", [CLASS, LABELS], ids=lambda task: task.kind)
def test_planted_errors_are_found_before_anything_else(task):
    scores, target, flips = planted(task, np.random.default_rng(1))
    found = find_suspects(task, scores, target, np.ones(target.shape, bool))
    suspected = list(zip(found.rows.tolist(), found.outputs.tolist(), strict=True))
    assert len(flips) == (50 if task is CLASS else 100)
    assert len(set(suspected[: len(flips)]) & flips) >= 0.9 * len(flips)
    assert len(set(suspected) & flips) >= 0.97 * len(flips)
    assert len(suspected) <= 1.5 * len(flips)
    assert (np.diff(found.doubt) <= 0).all()


def test_labels_that_nobody_has_given_or_that_are_right_are_not_suspected():
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.1]])
    target = np.array([[1, 0], [1, 0], [0, 0]], np.float32)
    assert not len(find_suspects(LABELS, scores, target, np.ones((3, 2), bool)).rows)
    assert not len(find_suspects(LABELS, scores, 1 - target, np.zeros((3, 2), bool)).rows)


def test_numbers_far_from_their_prediction_are_suspected_by_robust_deviations():
    rng = np.random.default_rng(2)
    scores = rng.uniform(10, 100, (300, 1))
    target = scores + rng.normal(3, 1, scores.shape)  # a model that is off by 3 everywhere accuses nobody of it
    target[7], target[9] = target[7] + 500, target[9] - 30
    found = find_suspects(PRICE, scores, target, np.ones(target.shape, bool))
    assert found.rows.tolist()[:2] == [7, 9] and len(found.rows) < 6
    np.testing.assert_allclose(found.suggested[:2], scores[[7, 9], 0])
    assert found.doubt[1] == pytest.approx(30, rel=0.2)


def test_numbers_that_are_learnt_as_logarithms_are_compared_as_logarithms():
    task = Task("price", "regression", ("price",), ("price",), "r2", scale=Scale.unit(1, log1p=True))
    rng = np.random.default_rng(3)
    scores = np.exp(rng.uniform(2, 12, (300, 1)))
    target = scores * np.exp(rng.normal(0, 0.1, scores.shape))
    cheap = int(scores.argmin())
    target[cheap] *= 10  # a small difference among prices of 100,000, and a large ratio
    assert find_suspects(task, scores, target, np.ones(target.shape, bool)).rows[0] == cheap


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_predictions_without_spread_and_no_rows_give_no_suspects(rows):
    scores = np.full((rows, 1), 4.0)
    assert not len(find_suspects(PRICE, scores, scores.copy(), np.ones((rows, 1), bool)).rows)
    empty = find_suspects(CLASS, np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, bool))
    assert not len(empty.rows)
