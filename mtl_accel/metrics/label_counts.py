"""Precision, recall and F1 of each label, or of each class of a multiclass task, from counts of its elements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .weighting import Weights, ratio, total


@dataclass(frozen=True)
class LabelCounts:
    """Counts of labelled elements, float64 [C], or [R, C] for R weightings of the rows.

    A ratio is 0 where nothing is true or predicted, as scikit-learn's with `zero_division=0`, and NaN where nothing is
    labelled.
    """

    true_positives: np.ndarray
    predicted: np.ndarray
    positives: np.ndarray
    labelled: np.ndarray

    @property
    def precision(self) -> np.ndarray:
        return self._ratio(self.true_positives, self.predicted)

    @property
    def recall(self) -> np.ndarray:
        return self._ratio(self.true_positives, self.positives)

    @property
    def f1(self) -> np.ndarray:
        return self._ratio(2 * self.true_positives, self.predicted + self.positives)

    @property
    def micro_f1(self) -> np.ndarray:
        """F1 of all elements together: [] or [R]."""
        elements = (self.true_positives, self.predicted, self.positives, self.labelled)
        return LabelCounts(*(counts.sum(axis=-1) for counts in elements)).f1

    def table(self) -> dict[str, np.ndarray]:
        """Precision, recall and F1 by the names that they have in tables."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}

    def _ratio(self, part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(self.labelled > 0, part / np.maximum(whole, 1), np.nan)


def count(predicted: np.ndarray, positive: np.ndarray, labelled: np.ndarray, sample_weight: Weights) -> LabelCounts:
    """Count elements by label.

    Args:
        predicted, positive, labelled: bool [N, C]; what is not labelled counts for nothing.
        sample_weight: how often each row counts, whole numbers, float64 [R, N] or [N]; None: once.
    """
    predicted, positive = predicted & labelled, positive & labelled
    elements = (predicted & positive, predicted, positive, labelled)
    return LabelCounts(*(total(of_elements, sample_weight) for of_elements in elements))


def average_precision(
    scores: np.ndarray, positive: np.ndarray, labelled: np.ndarray, sample_weight: Weights = None
) -> np.ndarray:
    """Area below the steps of precision over recall of each label; NaN where no positive counts.

    Args: scores float64 [N, C], the others as in `count`.

    Returns: [C] or [R, C].
    """
    columns = zip(scores.T, positive.T, labelled.T, strict=True)
    return np.stack([_average_precision(*column, sample_weight) for column in columns], axis=-1)


def _average_precision(
    scores: np.ndarray, positive: np.ndarray, labelled: np.ndarray, sample_weight: Weights
) -> np.ndarray:
    """Average precision of one label, [] or [R], from arrays [N]."""
    rows = np.flatnonzero(labelled)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    positive = positive[rows]
    weights = np.ones(len(rows)) if sample_weight is None else sample_weight[..., rows]
    if not positive.any():
        return np.full(weights.shape[:-1], np.nan)
    # Equal scores are one threshold, and precision counts where recall rises: at the scores of positives.
    starts = np.flatnonzero(np.diff(scores[rows], prepend=np.inf))
    rising = np.flatnonzero(np.add.reduceat(positive, starts))
    ends = np.append(starts[1:], len(rows))[rising] - 1
    predicted = np.cumsum(weights, axis=-1)[..., ends]
    true_positives = np.cumsum(weights[..., positive], axis=-1)[..., np.cumsum(positive)[ends] - 1]
    recall = ratio(true_positives, true_positives[..., -1:])
    # Summed as scikit-learn does, over all thresholds from the lowest to the highest, to have its last bit too.
    areas = np.zeros((*recall.shape[:-1], len(starts)))
    precision = true_positives / np.maximum(predicted, 1)
    areas[..., len(starts) - 1 - rising] = np.diff(recall, axis=-1, prepend=0.0) * precision
    return areas.sum(axis=-1)
