"""Thresholds of a multilabel task with the highest F1, and cross-fitted ones for an honest figure."""

from __future__ import annotations

import numpy as np

from ..core import rng

DEFAULT_THRESHOLD = 0.5  # of a label's probability where none is fitted
NUM_FOLDS = 5


def fit(scores: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Find each label's threshold with the highest F1 on these rows: float64 [C], inside (0, 1).

    A label is predicted where its score is at or above the threshold, which lies midway between the two scores that it
    separates, or between the smallest score and 0. Of several with the same F1 the one nearest to 0.5 is taken. 0.5
    itself stays where nothing can be fitted: no labelled positive, a score that is not finite, or every positive at
    score 0. Equal scores cannot be separated: where all of them are equal, the label is predicted everywhere.

    Args:
        scores: probabilities, float [N, C].
        targets: 0 or 1, [N, C].
        mask: bool [N, C]; elements with False count for nothing.
    """
    columns = zip(scores.astype(np.float64).T, (targets == 1).T, mask.T, strict=True)
    return np.array([_fit_label(score[labelled], positive[labelled]) for score, positive, labelled in columns])


def cross_fit(scores: np.ndarray, targets: np.ndarray, mask: np.ndarray, seed: int) -> np.ndarray:
    """Find for each element its label's threshold, fitted on the four fifths of the rows without it: float64 [N, C].

    No label influences the decision on its own row, so metrics of all rows together estimate what fitted thresholds
    are worth on new rows.

    Args: as in `fit`; the seed decides which rows are fitted together.
    """
    folds = _assign_folds(scores, mask, seed)
    fitted = np.full(scores.shape, DEFAULT_THRESHOLD)
    for fold in range(NUM_FOLDS):
        held_out = folds == fold
        fitted = np.where(held_out, fit(scores, targets, mask & ~held_out), fitted)
    return fitted


def _fit_label(scores: np.ndarray, positive: np.ndarray) -> float:
    """Find the threshold of one label: scores float64 [N], positive bool [N], all labelled."""
    if not positive.any() or not np.isfinite(scores).all():
        return DEFAULT_THRESHOLD
    order = np.argsort(-scores, kind="stable")
    scores, hits = scores[order], np.cumsum(positive[order])
    # The k-th cut predicts the k largest scores.
    below = np.append(scores[1:], 0.0)
    middle = (scores + below) / 2
    cuts = np.where(middle > below, middle, scores)  # nothing lies between two neighbouring floats
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + hits[-1])
    f1[(scores <= below) | (cuts >= 1)] = 0  # equal scores, and cuts that no threshold inside (0, 1) makes
    best = cuts[(f1 == f1.max()) & (f1 > 0)]
    return float(best[np.argmin(np.abs(best - DEFAULT_THRESHOLD))]) if len(best) else DEFAULT_THRESHOLD


def _assign_folds(scores: np.ndarray, mask: np.ndarray, seed: int) -> np.ndarray:
    """Assign each row to a fold, label by label: int64 [N, C].

    Positives are frequent among high scores, so rows are assigned five at a time in the order of their scores: every
    fold gets its share of positives, although no label influences its row's fold.
    """
    num_rows, num_labels = scores.shape
    rows = np.arange(num_rows)[:, None]
    fives, folds = np.empty(scores.shape, np.int64), np.empty(scores.shape, np.int64)
    np.put_along_axis(fives, np.lexsort((scores, ~mask), axis=0), rows // NUM_FOLDS, axis=0)
    drawn = rng.random_bits(seed, rng.FOLDS, np.arange(num_labels), rows)
    np.put_along_axis(folds, np.lexsort((drawn, fives), axis=0), rows % NUM_FOLDS, axis=0)
    return folds
