"""Errors of a regression task, each the mean over the columns that have labels.

predictions and target: float [N, C]; mask: bool [N, C]; sample_weight: how often each row counts, float64 [R, N] or
[N], None for once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .record import Metric
from .weighting import Weights, mean, mean_over_columns, ratio, select, total

_OfColumn = Callable[[np.ndarray, np.ndarray, Weights], np.ndarray]  # (predictions, target, weights) to [] or [R]


def mae(predictions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None) -> np.ndarray:
    """Mean absolute error: [] or [R]."""
    return _mean_of(lambda p, t, weights: mean(np.abs(p - t), weights), predictions, target, mask, sample_weight)


def rmse(predictions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None) -> np.ndarray:
    """Root mean squared error: [] or [R]."""
    return _mean_of(
        lambda p, t, weights: np.sqrt(mean((p - t) ** 2, weights)), predictions, target, mask, sample_weight
    )


def r2(predictions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None) -> np.ndarray:
    """Share of the variance that is explained: [] or [R]. It needs two labelled rows of a column.

    Equal targets have no variance: 1 where they are predicted without an error, otherwise 0.
    """
    return _mean_of(_r2_of_column, predictions, target, mask, sample_weight)


def _mean_of(
    of_column: _OfColumn, predictions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights
) -> np.ndarray:
    """Mean over the columns that have labels of what a function gives for their labelled rows."""
    target = target.astype(np.float64)
    columns = zip(predictions.T, target.T, mask.T, strict=True)
    values = [of_column(p[known], t[known], select(sample_weight, known)) for p, t, known in columns]
    return mean_over_columns(np.stack(values, axis=-1))


def _r2_of_column(predictions: np.ndarray, target: np.ndarray, sample_weight: Weights) -> np.ndarray:
    """R2 of one column: predictions and target float64 [N]; [] or [R]."""
    num_rows = total(np.ones(len(target)), sample_weight)
    counted = np.ones(target.shape, bool) if sample_weight is None else sample_weight > 0
    targets = np.broadcast_to(target, counted.shape)
    lowest = targets.min(axis=-1, where=counted, initial=np.inf)
    highest = targets.max(axis=-1, where=counted, initial=-np.inf)
    # Clipped: rounding may put the mean of equal targets beside them, and then they would seem to vary.
    means = np.clip(mean(target, sample_weight), lowest, highest)
    deviations = (target - means[..., None]) ** 2
    variance = (deviations if sample_weight is None else sample_weight * deviations).sum(axis=-1)
    error = total((predictions - target) ** 2, sample_weight)
    explained = np.where(variance > 0, 1 - ratio(error, variance), np.where(error > 0, 0.0, 1.0))
    return np.where(num_rows > 1, explained, np.nan)


# R2 comes first and so is the primary one: it has no unit and is at most 1, so its mean with accuracies makes sense.
METRICS = (
    Metric(
        "r2",
        "R\N{SUPERSCRIPT TWO}",
        "R2",
        "Share of the variance that is explained; 1 is perfect, and 0 what the mean explains.",
        r2,
    ),
    Metric("mae", "MAE", "MAE", "Mean absolute error, in the unit of the column.", mae, lower_is_better=True),
    Metric("rmse", "RMSE", "RMSE", "Root mean squared error, in the unit of the column.", rmse, lower_is_better=True),
)
