"""The figures of a task: per label, confusion, precision against recall, reliability. Scikit-learn counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve

from .. import metrics
from ..metrics.registry import decision_metric_names
from .decisions import HALF, suffix
from .task_scores import TaskPredictions

NUM_BINS = 15
_CURVE_POINTS = 200
_DIGITS = 6  # of curves, which are there to be drawn
DEFINITION = (
    f"Expected calibration error: elements in {NUM_BINS} bins of equal width by confidence; the mean over the bins of "
    "|share that is true - mean confidence|, weighed by their numbers of elements. "
)
CONFIDENCE = {
    "multiclass": "An element is a labelled image, its confidence the probability of the predicted class, and true "
    "that the prediction is right.",
    "multilabel": "An element is a labelled image and label, its confidence the label's probability, and true that "
    "the label is there.",
}
Value = dict[str, Any]  # {"value": number, "interval": [lower, upper]}


def means(scored: TaskPredictions) -> dict[str, float]:
    """What fitted thresholds change, by full names: "attribute/f1_macro_cross_fitted" and so on."""
    name, kind = scored.task.name, scored.task.kind
    found: dict[str, float] = {}
    for decision in set(scored.decisions) & set(scored.thresholds) - {HALF}:
        values = metrics.compute(kind, scored.scores, scored.target, scored.mask, scored.thresholds[decision])
        found |= {f"{name}/{m}{suffix(decision)}": values[m] for m in decision_metric_names(kind)}
    return found


def of_task(scored: TaskPredictions, intervals: Mapping[str, np.ndarray], stored: np.ndarray | None) -> dict[str, Any]:
    """The section of a task in the evaluation, apart from its metrics.

    Args:
        intervals: of `weighted.measure`'s values, by their names.
        stored: the model's thresholds of a multilabel task.
    """
    task = scored.task
    section: dict[str, Any] = {"kind": task.kind, "labelled_images": int(scored.labelled.any(axis=1).sum())}
    if task.kind == "regression":
        return section
    rows: list[dict[str, Any]] = [{"label": label} for label in task.classes]
    for index, row in enumerate(rows):
        known = scored.labelled[:, index]
        true, scores = scored.positive[known, index], scored.scores[known, index]
        row["support"] = int(true.sum())
        if stored is not None:
            row["threshold"] = float(stored[index])
        precision = float(average_precision_score(true, scores)) if true.any() else np.nan
        row["average_precision"] = value(precision, intervals[f"{task.name}/average_precision"][index])
        row["curve"] = _curve(true, scores) if true.any() else None
    for decision in scored.decisions:
        _add_decision(rows, scored, decision, intervals)
    section["per_label"] = rows
    if task.kind == "multiclass":
        true, guessed = scored.target[scored.mask], scored.scores[scored.mask].argmax(axis=1)
        counts = confusion_matrix(true, guessed, labels=np.arange(task.num_outputs)) if len(true) else []
        section["confusion"] = {"rows": "true class", "columns": "predicted class", "counts": np.array(counts).tolist()}
    section["reliability"] = reliability(scored)
    return section


def value(number: float, interval: np.ndarray) -> Value:
    """Without an interval where there is no number."""
    return {"value": number, "interval": interval.tolist() if np.isfinite(number) else [np.nan, np.nan]}


def reliability(scored: TaskPredictions) -> dict[str, Any]:
    """Whether probabilities are what they say: see `DEFINITION`."""
    if scored.task.kind == "multiclass":
        confidence = scored.scores.max(axis=1)[scored.mask]
        true = (scored.scores.argmax(axis=1) == scored.target)[scored.mask]
    else:
        confidence, true = scored.scores[scored.mask], scored.positive[scored.mask]
    places = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(places, minlength=NUM_BINS)
    sums = (np.bincount(places, values, minlength=NUM_BINS) for values in (confidence, true.astype(float)))
    mean_confidence, share = (np.divide(s, counts, out=np.full(NUM_BINS, np.nan), where=counts > 0) for s in sums)
    error = np.nansum(counts * np.abs(share - mean_confidence)) / counts.sum() if counts.sum() else np.nan
    edges = [place / NUM_BINS for place in range(NUM_BINS + 1)]
    columns = zip(edges, edges[1:], counts.tolist(), mean_confidence.tolist(), share.tolist(), strict=False)
    keys = ("from", "to", "count", "mean_confidence", "share_true")
    return {
        "definition": DEFINITION + CONFIDENCE[scored.task.kind],
        "expected_calibration_error": float(error),
        "bins": [dict(zip(keys, column, strict=True)) for column in columns],
    }


def _add_decision(
    rows: list[dict[str, Any]], scored: TaskPredictions, decision: str, intervals: Mapping[str, np.ndarray]
) -> None:
    """Precision, recall and F1 of each label in one way of deciding, and of labels the four counts."""
    name, kind = scored.task.name, scored.task.kind
    threshold = scored.thresholds.get(decision, np.nan)
    table = metrics.per_label(kind, scored.scores, scored.target, scored.mask, scored.task.classes, threshold)
    predicted = scored.predicted(decision)
    for index, (row, found) in enumerate(zip(rows, table, strict=True)):
        numbers = {"precision": found["precision"], "recall": found["recall"], "f1": found["f1"]}
        row[decision] = {k: value(v, intervals[f"{name}/{decision}/{k}"][index]) for k, v in numbers.items()}
        if kind == "multilabel":
            known = scored.labelled[:, index]
            true, guessed = scored.positive[known, index], predicted[known, index]
            counts = confusion_matrix(true, guessed, labels=[False, True]).ravel() if known.any() else [0] * 4
            names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
            row[decision] |= dict(zip(names, map(int, counts), strict=True))


def _curve(true: np.ndarray, scores: np.ndarray) -> dict[str, list[float]]:
    """Precision against recall from the lowest threshold to the highest, and at the end the point (1, 0).

    Points at which recall stays what it was are left out, and of the others so many are kept at equal steps.
    """
    precision, recall, threshold = precision_recall_curve(true, scores, drop_intermediate=True)
    kept = np.unique(np.linspace(0, len(recall) - 1, _CURVE_POINTS).round().astype(int))
    columns = {"threshold": np.append(threshold, np.nan), "precision": precision, "recall": recall}
    return {name: column[kept].round(_DIGITS).tolist() for name, column in columns.items()}
