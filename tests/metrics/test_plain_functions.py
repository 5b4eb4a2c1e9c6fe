"""Each metric's plain function is scikit-learn's value, to the last bit, and of weighted rows that of repeated ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import EXPECTED, example, examples

from mtl_accel.metrics.registry import REGISTRY
from mtl_accel.metrics.regression import r2

METRICS = [pytest.param(kind, metric, id=f"{kind}-{metric.name}") for kind, ms in REGISTRY.items() for metric in ms]
IGNORED = "ignore:The number of unique classes"  # scikit-learn suspects a regression where few rows have many classes


def predictions_of(metric, scores: np.ndarray) -> np.ndarray:
    return scores >= 0.5 if metric.uses_decisions else scores


def test_scikit_learn_is_asked_about_every_metric() -> None:
    assert {kind: set(named) for kind, named in EXPECTED.items()} == {
        kind: {metric.name for metric in metrics} for kind, metrics in REGISTRY.items()
    }


@pytest.mark.filterwarnings(IGNORED)
@pytest.mark.parametrize(("kind", "metric"), METRICS)
@settings(max_examples=60)
@given(data=st.data())
def test_without_weights_it_is_scikit_learns_value_to_the_last_bit(kind, metric, data) -> None:
    scores, target, mask = data.draw(examples(kind))
    predictions = predictions_of(metric, scores.astype(np.float64))
    value = metric.function(predictions, target, mask, None)
    expected = EXPECTED[kind][metric.name](predictions, target, mask, np.ones(len(mask))) if mask.any() else np.nan
    if metric.name == "quadratic_kappa":  # scikit-learn sums over a matrix of classes, in another order
        assert value == pytest.approx(expected, rel=1e-12, abs=1e-12, nan_ok=True)
    else:
        assert np.array_equal(value, expected, equal_nan=True)


@pytest.mark.filterwarnings(IGNORED)
@pytest.mark.parametrize(("kind", "metric"), METRICS)
@settings(max_examples=60)
@given(data=st.data())
def test_with_weights_it_is_scikit_learns_value_with_sample_weight(kind, metric, data) -> None:
    scores, target, mask = data.draw(examples(kind))
    weight = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(mask), max_size=len(mask))), np.float64)
    predictions = predictions_of(metric, scores.astype(np.float64))
    counted = mask & (weight > 0).reshape(-1, *[1] * (mask.ndim - 1))
    value = metric.function(predictions, target, mask, weight)
    repeated = np.repeat(np.arange(len(mask)), weight.astype(int))
    again = metric.function(predictions[repeated], target[repeated], mask[repeated], None)
    assert value == pytest.approx(again, rel=1e-9, abs=1e-12, nan_ok=True)
    if metric.name != "r2" or (counted.sum(axis=0) != 1).all():  # scikit-learn counts rows, however much they weigh
        expected = EXPECTED[kind][metric.name](predictions, target, mask, weight) if counted.any() else np.nan
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_many_weightings_at_once_are_each_of_them_alone(kind, metric) -> None:
    scores, target, mask = example(kind, 3, 50, 4, 0.7)
    weights = np.random.default_rng(0).integers(0, 3, (6, 50)).astype(np.float64)
    weights[0], weights[1] = 1.0, 0.0
    predictions = predictions_of(metric, scores.astype(np.float64))
    together = metric.function(predictions, target, mask, weights)
    alone = [metric.function(predictions, target, mask, weight) for weight in weights]
    assert together.shape == (6,) and together == pytest.approx(np.array(alone), rel=1e-12, nan_ok=True)
    assert together[0] == pytest.approx(metric.function(predictions, target, mask, None))
    assert np.isnan(together[1])


def test_equal_targets_have_no_variance_even_where_their_mean_is_rounded() -> None:
    target, mask = np.full((3, 1), 0.1), np.ones((3, 1), bool)
    assert target.mean() != 0.1
    for weights in (None, np.ones((2, 3))):
        assert (r2(target, target, mask, weights) == 1).all()
        assert (r2(target + 0.5, target, mask, weights) == 0).all()
