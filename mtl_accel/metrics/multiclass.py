"""Accuracy and balanced accuracy of a multiclass task."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from .array_metric import ArrayMetric


class MulticlassMetric(ArrayMetric):
    """What the class of the largest score is worth.

    Accuracy is the share of labelled rows that are right; balanced accuracy is the mean recall over the classes
    that have a labelled row. Nothing labelled, or a score that is not a finite number, gives NaN.
    """

    DESCRIPTION = (
        "accuracy, balanced_accuracy and a per-class table for a multiclass task. predictions: scores, larger is "
        "likelier, float [N, K]; references: class indices, int [N]; mask: bool [N]."
    )

    def measure(self, scores: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> dict[str, Any]:
        """scores float64 [N, K], targets int [N], mask bool [N]; per_label holds arrays [K]."""
        num_classes = scores.shape[1]
        scores, targets = scores[mask], targets[mask].astype(int)
        if not targets.size or not np.isfinite(scores).all():
            unknown = np.full(num_classes, np.nan)
            support = np.bincount(targets, minlength=num_classes)
            table = {"precision": unknown, "recall": unknown, "f1": unknown, "support": support}
            return {"accuracy": np.nan, "balanced_accuracy": np.nan, "per_label": table}
        predicted = scores.argmax(axis=1)
        with warnings.catch_warnings():
            # scikit-learn suspects a regression where few rows have many classes.
            warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
            accuracy = accuracy_score(targets, predicted)
            precision, recall, f1, support = precision_recall_fscore_support(
                targets, predicted, labels=np.arange(num_classes), zero_division=0
            )
        table = {"precision": precision, "recall": recall, "f1": f1, "support": support}
        return {"accuracy": accuracy, "balanced_accuracy": recall[support > 0].mean(), "per_label": table}
