"""Metrics of a multilabel task: F1 of the labels at or above their threshold, and the ranking of the rows by label.

decisions: bool [N, C], or scores: probabilities, float64 [N, C]; target: 0 or 1, [N, C]; mask: bool [N, C];
sample_weight: how often each row counts, float64 [R, N] or [N], None for once.
"""

from __future__ import annotations

import numpy as np

from .label_counts import LabelCounts, average_precision, count
from .record import Metric
from .weighting import Weights, mean, mean_over_columns, ratio, select


def f1_macro(decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None) -> np.ndarray:
    """Mean F1 over the labels that are labelled in at least one row: [] or [R].

    A label without a true or predicted positive has F1 0, as scikit-learn's with `zero_division=0`. So has one without
    a true positive that is predicted: labels that a split lacks pull the mean down (`coverage` counts them).
    """
    f1 = label_counts(decisions, target, mask, sample_weight).f1
    # numpy.nanmean, without its warning where nothing is labelled.
    return ratio(np.nansum(f1, axis=-1), (~np.isnan(f1)).sum(axis=-1))


def f1_micro(decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None) -> np.ndarray:
    """F1 of all labelled elements together: [] or [R]."""
    return label_counts(decisions, target, mask, sample_weight).micro_f1


def f1_samples(
    decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None
) -> np.ndarray:
    """Mean F1 over the rows that are labelled in at least one label: [] or [R].

    A row without a true or predicted positive has F1 0.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    of_rows = label_counts(decisions[rows].T, target[rows].T, mask[rows].T).f1
    return mean(of_rows, select(sample_weight, rows))


def mean_average_precision(
    scores: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None
) -> np.ndarray:
    """Mean average precision over the labels that have a labelled positive: [] or [R]."""
    return mean_over_columns(average_precision(scores, target == 1, mask, sample_weight))


def label_counts(
    decisions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: Weights = None
) -> LabelCounts:
    """Counts of each label, [C] or [R, C]."""
    return count(decisions, target == 1, mask, sample_weight)


METRICS = (
    Metric(
        "f1_macro",
        "F1 (macro)",
        "F1",
        "Mean over the labels of their F1; a label without a true or predicted positive has 0.",
        f1_macro,
        uses_decisions=True,
    ),
    Metric(
        "f1_micro", "F1 (micro)", "Micro F1", "F1 of all labels of all images together.", f1_micro, uses_decisions=True
    ),
    Metric(
        "f1_samples",
        "F1 (per sample)",
        "Sample F1",
        "Mean over the images of the F1 of their labels; an image without a true or predicted label has 0.",
        f1_samples,
        uses_decisions=True,
    ),
    Metric(
        "map",
        "mAP",
        "mAP",
        "Mean over the labels of their average precision; a label without a true positive is left out.",
        mean_average_precision,
    ),
)
