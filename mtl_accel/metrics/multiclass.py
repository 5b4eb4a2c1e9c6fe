"""Metrics of a multiclass task: what the class of the largest score is worth.

scores: larger is likelier, float64 [N, K]; target: class indices, int [N]; mask: bool [N]; sample_weight: how often
each row counts, float64 [R, N] or [N], None for once.
"""

from __future__ import annotations

import numpy as np

from .label_counts import LabelCounts, count
from .record import Metric
from .weighting import Weights, mean, mean_over_columns, select


def accuracy(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None) -> np.ndarray:
    """Share of the labelled rows whose class has the largest score: [] or [R]."""
    right = scores.argmax(axis=1) == target
    return mean(right[mask], select(sample_weight, mask))


def balanced_accuracy(
    scores: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None
) -> np.ndarray:
    """Mean recall over the classes that have a labelled row: [] or [R]."""
    counts = class_counts(scores.argmax(axis=1), scores.shape[1], target, mask, sample_weight)
    return mean_over_columns(np.where(counts.positives > 0, counts.recall, np.nan))


def class_counts(
    predicted: np.ndarray, num_classes: int, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None
) -> LabelCounts:
    """Counts of each class against all others, [K] or [R, K], from predicted class indices, int [N]."""
    labelled = np.broadcast_to(mask[:, None], (len(mask), num_classes))
    return count(one_hot(predicted, num_classes), one_hot(target, num_classes), labelled, sample_weight)


def one_hot(classes: np.ndarray, num_classes: int) -> np.ndarray:
    """Class indices [N] as bool [N, K]; nothing is true of an index that is no class, such as -100."""
    return classes[:, None] == np.arange(num_classes)


METRICS = (
    Metric("accuracy", "accuracy", "Acc", "Share of the images whose class is right.", accuracy),
    Metric(
        "balanced_accuracy",
        "balanced accuracy",
        "Balanced Acc",
        "Mean over the classes of the share of their images that are right; a class without an image is left out.",
        balanced_accuracy,
    ),
)
