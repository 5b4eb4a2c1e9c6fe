"""Metrics of an ordinal task: how far the predicted class is from the true one, in ranks.

probabilities: of K classes from the lowest to the highest, float64 [N, K], whose median is predicted; target: class
indices, int [N]; mask: bool [N]; sample_weight: how often each row counts, float64 [R, N] or [N], None for once.
"""

from __future__ import annotations

import numpy as np

from ..core.tasks import median_class
from .record import Metric
from .weighting import Weights, mean, ratio, select, total


def quadratic_kappa(
    probabilities: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None
) -> np.ndarray:
    """Kappa with quadratic weights (Cohen, 1968): [] or [R].

    1 less the mean squared error in ranks divided by what it would be if predictions and targets were independent.
    Where both are one and the same class for all rows, nothing else was possible: it is 1.
    """
    predicted, true = (ranks[mask].astype(np.float64) for ranks in (median_class(probabilities), target))
    weights = select(sample_weight, mask)
    num_rows = total(np.ones(len(true)), weights)
    error = total((predicted - true) ** 2, weights)
    products = 2 * total(predicted, weights) * total(true, weights)
    expected = total(predicted**2, weights) + total(true**2, weights) - ratio(products, num_rows)
    return np.where((num_rows > 0) & (error == 0), 1.0, 1 - ratio(error, expected))


def accuracy(
    probabilities: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None
) -> np.ndarray:
    """Share of the labelled rows whose class is right: [] or [R]."""
    right = median_class(probabilities) == target
    return mean(right[mask], select(sample_weight, mask))


def mae(probabilities: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None) -> np.ndarray:
    """Mean absolute error in ranks: [] or [R]."""
    return mean(np.abs(median_class(probabilities) - target)[mask], select(sample_weight, mask))


METRICS = (
    Metric(
        "quadratic_kappa",
        "quadratic kappa",
        "QWK",
        "Cohen's kappa with quadratic weights: agreement beyond chance, where an error of two ranks counts as four of "
        "one; 1 is perfect.",
        quadratic_kappa,
    ),
    Metric("accuracy", "accuracy", "Acc", "Share of the images whose class is right.", accuracy),
    Metric("mae", "MAE", "MAE", "Mean absolute error, in ranks.", mae, lower_is_better=True),
)
