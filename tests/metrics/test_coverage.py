"""What a mean over labels or classes is over, against the metrics themselves."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mtl_accel import metrics
from mtl_accel.metrics import multilabel
from mtl_accel.metrics.coverage import Coverage

NAMES = ("collar", "hood", "zip", "belt")
TARGET = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 1, 1]])
MASK = np.array([[True, True, True, False], [True, True, False, False], [True, True, True, False]])  # belt: nowhere


def scores() -> np.ndarray:
    return np.random.default_rng(0).random(TARGET.shape)


def test_the_count_of_f1_is_that_of_the_labels_whose_f1_is_a_number() -> None:
    f1 = multilabel.label_counts(scores() >= 0.5, TARGET, MASK).f1
    found = Coverage.of("multilabel", NAMES, TARGET, MASK)
    assert found.num_in_mean["f1_macro"] == np.isfinite(f1).sum() == 3
    assert metrics.compute("multilabel", scores(), TARGET, MASK)["f1_macro"] == f1[:3].mean()


def test_the_count_of_map_is_that_of_the_labels_whose_average_precision_is_a_number() -> None:
    precision = multilabel.average_precision(scores(), TARGET == 1, MASK)
    found = Coverage.of("multilabel", NAMES, TARGET, MASK)
    assert found.num_in_mean["map"] == np.isfinite(precision).sum() == 2


@pytest.mark.parametrize("predicted", [0, 1])
def test_a_label_without_a_positive_has_f1_0_whatever_is_predicted_as_in_scikit_learn(predicted: int) -> None:
    target, guess = np.zeros((3, 1), int), np.full((3, 1), predicted)
    found = multilabel.label_counts(guess == 1, target, np.ones((3, 1), bool)).f1
    assert found == f1_score(target[:, 0], guess[:, 0], zero_division=0) == 0


def test_a_class_without_an_image_is_left_out_of_balanced_accuracy() -> None:
    target, mask = np.array([0, 0, 2, -100]), np.array([True, True, True, False])
    logits = np.array([[2.0, 1, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]])
    found = Coverage.of("multiclass", ("a", "b", "c"), target, mask)
    assert found.num_in_mean == {"balanced_accuracy": 2} and found.without_positive == ["b"]
    assert metrics.compute("multiclass", logits, target, mask)["balanced_accuracy"] == (0.5 + 1) / 2
    assert found.describe("validation") == "balanced_accuracy over 2 of 3 classes; 1 has no image in validation: 'b'"


def test_the_line_counts_and_names_and_is_left_out_where_nothing_is_missing() -> None:
    line = Coverage.of("multilabel", NAMES, TARGET, MASK).describe("the batch")
    assert line == (
        "f1_macro over 3 of 4 labels, map over 2 of 4 labels; "
        "2 have no positive in the batch (F1 0 where labelled): 'hood', 'belt'"
    )
    assert Coverage.of("multilabel", NAMES, np.ones_like(TARGET), MASK | True).describe("validation") is None
    assert Coverage.of("ordinal", ("a", "b"), np.array([0]), np.array([True])).describe("validation") is None


def test_of_many_labels_the_first_are_named() -> None:
    names = [f"label{number}" for number in range(25)]
    empty = np.zeros((2, 25), int)
    line = Coverage.of("multilabel", names, empty, np.ones((2, 25), bool)).describe("validation")
    assert line is not None and line.endswith("'label9' and 15 more")
