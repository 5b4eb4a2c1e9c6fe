"""Errors of a regression task."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from .array_metric import ArrayMetric


class RegressionMetric(ArrayMetric):
    """Mean absolute error, root mean squared error and R2, each the mean over the columns that have labels.

    R2 needs two labelled rows of a column. Nothing labelled, or a prediction that is not a finite number, gives NaN.
    """

    DESCRIPTION = (
        "mae, rmse and r2 for a regression task. predictions: float [N, C]; references: float [N, C]; "
        "mask: bool [N, C]."
    )

    def measure(self, scores: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
        """scores float64 [N, C], targets float [N, C], mask bool [N, C]."""
        if not mask.any() or not np.isfinite(scores[mask]).all():
            return {"mae": np.nan, "rmse": np.nan, "r2": np.nan}
        targets = targets.astype(np.float64)
        columns = [
            (targets[labelled, column], scores[labelled, column])
            for column, labelled in enumerate(mask.T)
            if labelled.any()
        ]
        explained = [r2_score(true, predicted) for true, predicted in columns if len(true) > 1]
        return {
            "mae": np.mean([mean_absolute_error(true, predicted) for true, predicted in columns]),
            "rmse": np.mean([root_mean_squared_error(true, predicted) for true, predicted in columns]),
            "r2": np.mean(explained) if explained else np.nan,
        }
