"""The metrics of a task over weighted rows, many weightings at once: every one is made of sums over rows."""

from __future__ import annotations

import numpy as np

from .decisions import suffix
from .task_scores import TaskPredictions

Values = dict[str, np.ndarray]


def measure(scored: TaskPredictions, weights: np.ndarray) -> Values:
    """What `mtl_accel.metrics` gives, for rows that count as often as they weigh.

    Args:
        weights: whole numbers, float64 [R, N].

    Returns: [R] of each metric under its full name, and [R, C] under "task/decision/precision" and so on.
    """
    task, name = scored.task, scored.task.name
    values = {f"{name}/loss": weights @ scored.losses / np.maximum(weights @ scored.counts, 1)}
    if task.kind == "regression":
        return values | {f"{name}/{metric}": value for metric, value in _errors(scored, weights).items()}
    positive, labelled = scored.positive, scored.labelled
    for decision in scored.decisions:
        values |= _decided(scored, decision, positive, labelled, weights)
    columns = zip(scored.scores.T, positive.T, labelled.T, strict=True)
    values[f"{name}/average_precision"] = np.stack([average_precision(weights, *c) for c in columns], axis=1)
    if task.kind == "multilabel":
        values[f"{name}/map"] = _mean(values[f"{name}/average_precision"])
    return values


def _decided(
    scored: TaskPredictions, decision: str, positive: np.ndarray, labelled: np.ndarray, weights: np.ndarray
) -> Values:
    """What depends on how scores become answers."""
    predicted = scored.predicted(decision) & labelled
    hits, guesses, truths = (weights @ part.astype(float) for part in (positive & predicted, predicted, positive))
    known = weights @ labelled.astype(float) > 0
    table = {
        "precision": _where(known, hits / np.maximum(guesses, 1)),
        "recall": _where(known, hits / np.maximum(truths, 1)),
        "f1": _where(known, 2 * hits / np.maximum(guesses + truths, 1)),
    }
    if scored.task.kind == "multiclass":
        right = (positive & predicted).any(axis=1).astype(float)
        means = {
            "accuracy": _ratio(weights @ right, weights @ scored.mask.astype(float)),
            "balanced_accuracy": _mean(_where(truths > 0, table["recall"])),
        }
    else:
        means = {
            "f1_macro": _mean(table["f1"]),
            "f1_micro": _where(known.any(axis=1), _f1(hits, guesses, truths)),
            "f1_samples": _samples(positive, predicted, labelled, weights),
        }
    values = {f"{scored.task.name}/{decision}/{column}": value for column, value in table.items()}
    return values | {f"{scored.task.name}/{metric}{suffix(decision)}": value for metric, value in means.items()}


def average_precision(
    weights: np.ndarray, scores: np.ndarray, positive: np.ndarray, labelled: np.ndarray
) -> np.ndarray:
    """The area below the steps of precision over recall: [R]; NaN where no positive has a weight.

    Args: weights [R, N]; of one label its scores, positives and what is labelled, [N] each.
    """
    rows = np.flatnonzero(labelled)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    if not positive[rows].any():
        return np.full(len(weights), np.nan)
    # Equal scores enter together. Precision counts only where recall rises: at the scores of positives.
    starts = np.flatnonzero(np.diff(scores[rows], prepend=np.inf))
    groups = np.flatnonzero(np.add.reduceat(positive[rows], starts))
    ends = np.append(starts[1:], len(rows))[groups] - 1
    drawn = weights[:, rows]
    seen = np.cumsum(drawn, axis=1)[:, ends]
    hits = np.cumsum(drawn * positive[rows], axis=1)[:, ends]
    rises = np.diff(hits, axis=1, prepend=0)
    return _ratio((rises * hits / np.maximum(seen, 1)).sum(axis=1), hits[:, -1])


def _errors(scored: TaskPredictions, weights: np.ndarray) -> Values:
    """mae, rmse and r2 of a regression, each the mean over its columns: [R]."""
    count = weights @ scored.mask.astype(float)
    target = np.where(scored.mask, scored.target.astype(np.float64), 0.0)
    target -= np.where(scored.mask, _ratio(target.sum(axis=0), scored.mask.sum(axis=0)), 0.0)
    error = np.where(scored.mask, scored.scores - scored.target, 0.0)
    squared = weights @ error**2
    # Around the mean of all rows the sum of squares loses no digits.
    total = weights @ target**2 - _ratio((weights @ target) ** 2, count)
    varies = total > 1e-12 * (weights @ target**2)  # and is not what rounding leaves of equal targets
    explained = np.where(varies, 1 - _ratio(squared, total), np.where(squared > 0, 0.0, 1.0))
    return {
        "mae": _mean(_ratio(weights @ np.abs(error), count)),
        "rmse": _mean(np.sqrt(_ratio(squared, count))),
        "r2": _mean(_where(count > 1, explained)),
    }


def _samples(positive: np.ndarray, predicted: np.ndarray, labelled: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean F1 of the rows that are labelled in at least one label: [R]."""
    of_rows = _f1(positive & predicted, predicted, positive)
    rows = labelled.any(axis=1).astype(float)
    return _ratio(weights @ (of_rows * rows), weights @ rows)


def _f1(hits: np.ndarray, guesses: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Of the sums over labels: [R]; 0 where nothing is true or predicted."""
    return 2 * hits.sum(axis=1) / np.maximum(guesses.sum(axis=1) + truths.sum(axis=1), 1)


def _where(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(known, values, np.nan)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole != 0)


def _mean(values: np.ndarray) -> np.ndarray:
    """[R, C] -> [R], over what is not NaN."""
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1).astype(float))
