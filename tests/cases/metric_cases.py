"""Scores, targets and masks of each kind of task, and each metric as scikit-learn computes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sklearn.metrics as sk
from hypothesis import strategies as st

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def example(kind: str, seed: int, num_rows: int, num_columns: int, labelled: float) -> Arrays:
    """Scores, targets and a mask, with a value that no label may have wherever the mask is False."""
    rng = np.random.default_rng(seed)
    scores = rng.random((num_rows, num_columns)).astype(np.float32)
    if seed % 2:
        scores = (scores * 8).round() / 8  # with ties
    if kind == "ordinal":
        scores /= np.maximum(scores.sum(axis=1, keepdims=True), 1e-6)
    if kind in ("multiclass", "ordinal"):
        mask = rng.random(num_rows) < labelled
        return scores, np.where(mask, rng.integers(0, num_columns, num_rows), -100), mask
    mask = rng.random(scores.shape) < labelled
    targets = rng.normal(size=scores.shape) if kind == "regression" else rng.random(scores.shape) < 0.3
    return scores, np.where(mask, targets, np.nan), mask


def examples(kind: str) -> st.SearchStrategy[Arrays]:
    return st.builds(
        example,
        kind=st.just(kind),
        seed=st.integers(0, 2**32 - 1),
        num_rows=st.integers(0, 40),
        num_columns=st.integers(1, 30) if kind in ("multiclass", "ordinal") else st.integers(1, 5),
        labelled=st.sampled_from([0.0, 0.1, 0.7, 1.0]),
    )


def mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else np.nan


def accuracy(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    counted = mask & (weight > 0)
    predicted = scores.argmax(axis=1)
    return sk.accuracy_score(target[counted], predicted[counted], sample_weight=_of(weight, counted))


def balanced_accuracy(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    counted = mask & (weight > 0)
    true, predicted, present = target[counted], scores.argmax(axis=1)[counted], np.unique(target[counted])
    recall = sk.recall_score(true, predicted, labels=present, average=None, sample_weight=_of(weight, counted))
    return float(recall.mean())


def predicted_ranks(probabilities: np.ndarray) -> np.ndarray:
    """The medians, row by row."""
    return np.array([sum(row[k + 1 :][::-1].sum() > 0.5 for k in range(len(row) - 1)) for row in probabilities], int)


def ordinal_accuracy(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    return _of_ranks(sk.accuracy_score, scores, target, mask, weight)


def rank_mae(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    return _of_ranks(sk.mean_absolute_error, scores, target, mask, weight)


def quadratic_kappa(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    counted = mask & (weight > 0)
    if np.array_equal(predicted_ranks(scores)[counted], target[counted]):
        return 1.0  # and NaN to scikit-learn, where all are of one class
    labels = range(scores.shape[1])  # else the ranks are those among the classes that occur
    return _of_ranks(sk.cohen_kappa_score, scores, target, mask, weight, weights="quadratic", labels=labels)


def _of_ranks(
    function: Callable[..., float],
    scores: np.ndarray,
    target: np.ndarray,
    mask: np.ndarray,
    weight: np.ndarray,
    **options: object,
) -> float:
    counted = mask & (weight > 0)
    return function(target[counted], predicted_ranks(scores)[counted], sample_weight=_of(weight, counted), **options)


def f1_macro(decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    return _mean_of_columns(_f1, decisions, target == 1, mask, weight)


def f1_micro(decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    weights = np.broadcast_to(weight[:, None], mask.shape)
    return _f1(target[mask] == 1, decisions[mask], sample_weight=_of(weights, mask))


def f1_samples(decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    rows = mask.any(axis=1) & (weight > 0)
    # A column more makes one label a multilabel problem to scikit-learn.
    true, predicted = (np.pad((part & mask)[rows], ((0, 0), (0, 1))) for part in (target == 1, decisions))
    return _f1(true, predicted, average="samples", sample_weight=_of(weight, rows))


def mean_average_precision(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    with_positive = ((target == 1) & mask & (weight > 0)[:, None]).any(axis=0)
    return _mean_of_columns(sk.average_precision_score, scores, target == 1, mask & with_positive, weight)


def mae(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    return _mean_of_columns(sk.mean_absolute_error, scores, target, mask, weight)


def rmse(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    return _mean_of_columns(sk.root_mean_squared_error, scores, target, mask, weight)


def r2(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray) -> float:
    two_rows = (mask & (weight > 0)[:, None]).sum(axis=0) > 1
    return _mean_of_columns(sk.r2_score, scores, target, mask & two_rows, weight)


Expected = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]
EXPECTED: dict[str, dict[str, Expected]] = {
    "multiclass": {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy},
    "ordinal": {"quadratic_kappa": quadratic_kappa, "accuracy": ordinal_accuracy, "mae": rank_mae},
    "multilabel": {
        "f1_macro": f1_macro,
        "f1_micro": f1_micro,
        "f1_samples": f1_samples,
        "map": mean_average_precision,
    },
    "regression": {"mae": mae, "rmse": rmse, "r2": r2},
}


def _f1(true: np.ndarray, predicted: np.ndarray, **options: object) -> float:
    return sk.f1_score(true, predicted, zero_division=0, **options)


def _of(weight: np.ndarray, chosen: np.ndarray) -> np.ndarray | None:
    """None where all weigh the same, as one leaves weights out."""
    return None if (weight == 1).all() else weight[chosen]


def _mean_of_columns(
    of_column: Callable[..., float], scores: np.ndarray, target: np.ndarray, mask: np.ndarray, weight: np.ndarray
) -> float:
    values = [
        of_column(target[rows, column], scores[rows, column], sample_weight=_of(weight, rows))
        for column, rows in enumerate((mask & (weight > 0)[:, None]).T)
        if rows.any()
    ]
    return mean(values)
