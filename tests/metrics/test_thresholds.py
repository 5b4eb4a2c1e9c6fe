"""Thresholds are the best there are, lie between scores, and are scored only on rows that they were not fitted on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mtl_accel import metrics
from mtl_accel.metrics import thresholds

# Few distinct scores make ties; 0, 1 and their neighbours are where a threshold inside (0, 1) has no room.
EDGES = [0.0, 1.0, 0.5, 5e-324, np.nextafter(1, 0), np.nextafter(np.nextafter(1, 0), 0), np.nextafter(0.5, 0), 0.25]
SCORE = st.one_of(st.sampled_from(EDGES), st.floats(0, 1))
SEEDS = st.integers(0, 2**31 - 1)


@st.composite
def tables(draw: st.DrawFn, max_rows: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """scores, targets and mask, [N, C] each."""
    shape = (draw(st.integers(1, max_rows)), draw(st.integers(1, 3)))
    scores = draw(arrays.arrays(np.float64, shape, elements=SCORE))
    targets = draw(arrays.arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0])))
    return scores, targets, draw(arrays.arrays(np.bool_, shape))


def f1(scores: np.ndarray, positive: np.ndarray, threshold: float) -> float:
    """By counting; 0 where nothing is true or predicted."""
    predicted = scores >= threshold
    wrong_or_right = int(predicted.sum() + positive.sum())
    return 2 * int((predicted & positive).sum()) / wrong_or_right if wrong_or_right else 0.0


def candidates(scores: np.ndarray) -> list[float]:
    """Thresholds inside (0, 1) that part the scores in every way in which such a threshold can."""
    near = [scores, np.nextafter(scores, 2), np.nextafter([0.0, 1.0], 0.5)]
    return [float(t) for t in np.concatenate(near) if 0 < t < 1]


@given(tables())
def test_no_threshold_has_a_higher_f1(table):
    scores, targets, mask = table
    found = thresholds.fit(*table)
    for label in range(scores.shape[1]):
        score, positive = scores[mask[:, label], label], targets[mask[:, label], label] == 1
        best = max(f1(score, positive, threshold) for threshold in candidates(score))
        assert f1(score, positive, found[label]) == best


@given(tables())
def test_a_threshold_lies_inside_0_and_1_and_midway_between_two_scores(table):
    scores, _, mask = table
    for label, threshold in enumerate(thresholds.fit(*table)):
        assert 0 < threshold < 1
        ends = np.unique(np.append(scores[mask[:, label], label], 0.0))
        between = (ends[1:] + ends[:-1]) / 2
        # Neighbouring floats have no middle, and then the upper score itself is the threshold.
        assert threshold in between or threshold in ends[1:] or threshold == thresholds.DEFAULT_THRESHOLD


@given(tables(), st.data())
def test_what_is_masked_has_no_part(table, data):
    scores, targets, mask = table
    noise = data.draw(arrays.arrays(np.float64, scores.shape, elements=SCORE))
    other = np.where(mask, scores, noise), np.where(mask, targets, 1 - targets), mask
    assert np.array_equal(thresholds.fit(*table), thresholds.fit(*other))


@given(tables(), st.randoms())
def test_the_order_of_the_rows_does_not_matter(table, random):
    rows = list(range(len(table[0])))
    random.shuffle(rows)
    assert np.array_equal(thresholds.fit(*table), thresholds.fit(*(array[rows] for array in table)))


def fit_one(scores: list[float], targets: list[int]) -> float:
    column = np.array(scores)[:, None], np.array(targets)[:, None]
    return float(thresholds.fit(*column, np.ones_like(column[0], dtype=bool))[0])


@pytest.mark.parametrize(
    ("scores", "targets", "threshold"),
    [
        ([0.9, 0.2, 0.1], [1, 0, 0], 0.55),  # midway
        ([0.2, 0.1], [1, 1], 0.05),  # midway to 0
        ([0.9, 0.8, 0.7, 0.3, 0.2], [1, 0, 0, 1, 0], 0.25),  # 2/3 at 0.85 as well, which is further from 0.5
        ([0.4, 0.4, 0.4], [1, 0, 0], 0.2),  # equal scores are not parted: all of them
        ([0.9, 0.8], [0, 0], 0.5),  # no positive
        ([], [], 0.5),  # nothing labelled
        ([0.0, 0.3], [1, 0], 0.5),  # no threshold above 0 finds that positive
        ([float("nan"), 0.3], [1, 0], 0.5),
        ([1.0, np.nextafter(1, 0)], [1, 0], np.nextafter(1, 0) / 2),  # none below 1 tells the two apart
    ],
)
def test_the_threshold_of_known_scores(scores, targets, threshold):
    assert fit_one(scores, targets) == pytest.approx(threshold, abs=0, rel=1e-15)


def test_fitting_on_a_large_table_is_the_metric_s_own_optimum():
    random = np.random.default_rng(0)
    targets = (random.random((2000, 5)) < [0.01, 0.05, 0.2, 0.5, 0.9]).astype(np.float32)
    scores = 1 / (1 + np.exp(-random.normal(2 * targets - 2)))
    mask = random.random(targets.shape) < 0.9
    found = thresholds.fit(scores, targets, mask)
    value = metrics.compute("multilabel", scores, targets, mask, found)["f1_macro"]
    for shift in (-0.05, -0.01, 0.01, 0.05):
        assert metrics.compute("multilabel", scores, targets, mask, found + shift)["f1_macro"] <= value


@given(tables(40), SEEDS, st.data())
def test_no_label_decides_its_own_row_s_prediction(table, seed, data):
    scores, targets, mask = table
    row = data.draw(st.integers(0, len(scores) - 1))
    changed = targets.copy()
    changed[row] = 1 - changed[row]
    before = thresholds.cross_fit(scores, targets, mask, seed)
    assert np.array_equal(before[row], thresholds.cross_fit(scores, changed, mask, seed)[row])


@given(tables(40), SEEDS)
def test_a_cross_fitted_threshold_is_that_of_the_rows_of_the_other_folds(table, seed):
    scores, targets, mask = table
    found = thresholds.cross_fit(scores, targets, mask, seed)
    folds = thresholds._assign_folds(scores, mask, seed)
    for (row, label), threshold in np.ndenumerate(found):
        kept = (folds[:, label] != folds[row, label]) & mask[:, label]
        column = (array[kept, label : label + 1] for array in table)
        assert thresholds.fit(*column)[0] == threshold


@given(tables(60), SEEDS)
def test_folds_are_even_and_each_has_its_share_of_the_high_scores(table, seed):
    scores, _, mask = table
    for label, fold in enumerate(thresholds._assign_folds(scores, mask, seed).T):
        order = np.lexsort((scores[:, label], ~mask[:, label]))
        for first in range(0, len(order) - 4, 5):
            assert sorted(fold[order[first : first + 5]]) == [0, 1, 2, 3, 4]
        sizes = np.bincount(fold, minlength=5)
        assert sizes.max() - sizes.min() <= 1


def test_another_seed_and_another_label_deal_the_rows_otherwise():
    scores, mask = np.tile(np.linspace(0, 1, 50)[:, None], 2), np.ones((50, 2), dtype=bool)
    first = thresholds._assign_folds(scores, mask, 0)
    assert np.array_equal(first, thresholds._assign_folds(scores, mask, 0))
    assert (first != thresholds._assign_folds(scores, mask, 1)).any()
    assert (first[:, 0] != first[:, 1]).any()


def test_on_scores_that_say_nothing_the_cross_fitted_f1_is_below_the_fitted_one():
    random = np.random.default_rng(0)
    scores, targets = random.random((300, 20)), (random.random((300, 20)) < 0.05).astype(np.float32)
    mask = np.ones(scores.shape, dtype=bool)
    fitted = thresholds.fit(scores, targets, mask)
    honest = thresholds.cross_fit(scores, targets, mask, 0)
    values = [metrics.compute("multilabel", scores, targets, mask, t)["f1_macro"] for t in (fitted, honest)]
    assert values[1] < values[0]
