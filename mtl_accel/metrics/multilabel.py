"""F1 and mean average precision of a multilabel task."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, precision_recall_fscore_support

from .array_metric import ArrayMetric


class MultilabelMetric(ArrayMetric):
    """What the labels at or above their threshold are worth, and the ranking of all rows within each label.

    - f1_macro: the mean of the F1 of every label that is labelled in at least one row; a label without a true or
      predicted positive has F1 0.
    - f1_micro: the F1 of all labelled elements together.
    - f1_samples: the mean of the F1 of every row that is labelled in at least one label; a row without a true or
      predicted positive has F1 0.
    - map: the mean average precision over the labels that have a labelled positive, each over its labelled rows.

    Nothing labelled (for map: no labelled positive), or a probability that is not a finite number, gives NaN.
    """

    DESCRIPTION = (
        "f1_macro, f1_micro, f1_samples, map and a per-label table for a multilabel task. predictions: "
        "probabilities, float [N, C]; references: 0 or 1, [N, C]; mask: bool [N, C]; threshold (to compute): from "
        "where on a label is predicted, one number or one for each label."
    )

    def measure(
        self, scores: np.ndarray, targets: np.ndarray, mask: np.ndarray, threshold: float | np.ndarray = 0.5
    ) -> dict[str, Any]:
        """scores float64 [N, C], targets 0 or 1 [N, C], mask bool [N, C]; per_label holds arrays [C]."""
        positive = ((targets == 1) & mask).astype(np.int8)
        if not mask.any() or not np.isfinite(scores[mask]).all():
            unknown = np.full(mask.shape[1], np.nan)
            table = {"precision": unknown, "recall": unknown, "f1": unknown, "support": positive.sum(axis=0)}
            return dict.fromkeys(("f1_macro", "f1_micro", "f1_samples", "map"), np.nan) | {"per_label": table}
        # Precision, recall and F1 never look at true negatives, so a masked element that is made one is left out
        # exactly. That keeps a rectangle, which a different selection for each label would not be.
        predicted = ((scores >= threshold) & mask).astype(np.int8)
        truth, guess = _indicator(positive), _indicator(predicted)
        labelled_rows = mask.any(axis=1)
        table = _per_label(truth, guess, mask)
        return {
            "f1_macro": np.nanmean(table["f1"]),
            "f1_micro": f1_score(truth, guess, average="micro", zero_division=0),
            "f1_samples": f1_score(truth[labelled_rows], guess[labelled_rows], average="samples", zero_division=0),
            "map": _mean_average_precision(scores, positive, mask),
            "per_label": table,
        }


def _indicator(labels: np.ndarray) -> np.ndarray:
    """0 or 1, [N, C], as scikit-learn knows a multilabel problem: by its two columns or more.

    A single label gets a neighbour of true negatives, which changes no F1; alone, it would be read as a binary
    problem, whose two classes both enter a micro average.
    """
    return np.pad(labels, ((0, 0), (0, 1))) if labels.shape[1] == 1 else labels


def _per_label(truth: np.ndarray, guess: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, F1 and support, each [C]; NaN for a label that is labelled in no row."""
    num_labels = mask.shape[1]
    values = precision_recall_fscore_support(truth, guess, average=None, zero_division=0)
    precision, recall, f1, support = (column[:num_labels] for column in values)
    table = {"precision": precision, "recall": recall, "f1": f1}
    return {name: np.where(mask.any(axis=0), column, np.nan) for name, column in table.items()} | {"support": support}


def _mean_average_precision(scores: np.ndarray, positive: np.ndarray, mask: np.ndarray) -> float:
    values = [
        average_precision_score(positive[labelled, label], scores[labelled, label])
        for label, labelled in enumerate(mask.T)
        if positive[labelled, label].any()
    ]
    return float(np.mean(values)) if values else np.nan
