"""Figures of a task: per label, confusion, precision against recall, reliability; counted by scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, confusion_matrix, precision_recall_curve

from .. import metrics
from ..metrics.coverage import Coverage
from ..metrics.registry import decision_metric_names
from .decisions import HALF, metric_suffix
from .task_predictions import TaskPredictions

NUM_BINS = 15
_CURVE_POINTS = 200
_DIGITS = 6  # of curves, which are only drawn
DEFINITION = (
    f"Expected calibration error: elements in {NUM_BINS} bins of equal width by confidence; the mean over the bins of "
    "|share that is true - mean confidence|, weighed by their numbers of elements. "
)
_OF_CLASSES = (
    "An element is a labelled image, its confidence the probability of the predicted class, and true that the "
    "prediction is right."
)
CONFIDENCE = {
    "multiclass": _OF_CLASSES,
    "ordinal": _OF_CLASSES,
    "multilabel": "An element is a labelled image and label, its confidence the label's probability, and true that "
    "the label is there.",
}
Value = dict[str, Any]  # {"value": number, "interval": [lower, upper]}


def threshold_metrics(predictions: TaskPredictions) -> dict[str, float]:
    """Metrics that thresholds change, at fitted ones, by full names such as "attribute/f1_macro_cross_fitted"."""
    task = predictions.task
    found: dict[str, float] = {}
    for decision in set(predictions.decisions) & set(predictions.thresholds) - {HALF}:
        values = metrics.compute(
            task.kind,
            predictions.scores,
            predictions.target,
            predictions.mask,
            predictions.thresholds[decision],
            task.metrics,
        )
        names = decision_metric_names(task.kind, task.metrics)
        found |= {f"{task.name}/{name}{metric_suffix(decision)}": values[name] for name in names}
    return found


def task_section(
    predictions: TaskPredictions, intervals: Mapping[str, np.ndarray], stored: np.ndarray | None
) -> dict[str, Any]:
    """Section of a task in the evaluation, without its metrics.

    Args:
        intervals: those of the values of `measure_weighted`, by their names.
        stored: the model's thresholds [C] of a multilabel task.
    """
    task = predictions.task
    section: dict[str, Any] = {"kind": task.kind, "labelled_images": int(predictions.labelled.any(axis=1).sum())}
    if task.kind == "regression":
        return section | {"per_column": _columns_section(predictions, intervals)}
    rows: list[dict[str, Any]] = [{"label": label} for label in task.classes]
    for index, row in enumerate(rows):
        known = predictions.labelled[:, index]
        true, scores = predictions.positive[known, index], predictions.scores[known, index]
        row["support"] = int(true.sum())
        if stored is not None:
            row["threshold"] = float(stored[index])
        precision = float(average_precision_score(true, scores)) if true.any() else np.nan
        row["average_precision"] = with_interval(precision, intervals[f"{task.name}/average_precision"][index])
        row["curve"] = _precision_recall_curve(true, scores) if true.any() else None
    for decision in predictions.decisions:
        _add_decision(rows, predictions, decision, intervals)
    section["per_label"] = rows
    coverage = Coverage.of(task.kind, task.classes, predictions.target, predictions.mask)
    section["num_in_mean"], section["without_positive"] = coverage.num_in_mean, coverage.without_positive
    if task.is_single_label:
        true, scores = predictions.target[predictions.mask], predictions.scores[predictions.mask]
        labels = np.arange(len(task.classes))
        counts = confusion_matrix(true, task.predicted_classes(scores), labels=labels) if len(true) else []
        section["confusion"] = {"rows": "true class", "columns": "predicted class", "counts": np.array(counts).tolist()}
    section["reliability"] = reliability(predictions)
    return section


def _columns_section(predictions: TaskPredictions, intervals: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row for each column of a regression: every metric in its unit, beside how far its numbers spread."""
    task = predictions.task
    found = metrics.per_column(predictions.scores, predictions.target, predictions.mask, task.columns)
    return [
        {
            "column": row["column"],
            "labelled_images": row["labelled"],
            "mean": row["mean"],
            "std": row["std"],
            **{
                name: with_interval(value, intervals[f"{task.name}/column/{name}"][index])
                for name, value in row["metrics"].items()
            },
        }
        for index, row in enumerate(found)
    ]


def with_interval(number: float, interval: np.ndarray) -> Value:
    """A number beside its interval, which is NaN where the number is."""
    return {"value": number, "interval": interval.tolist() if np.isfinite(number) else [np.nan, np.nan]}


def reliability(predictions: TaskPredictions) -> dict[str, Any]:
    """Calibration of the probabilities: see `DEFINITION`."""
    if predictions.task.is_single_label:
        scores = predictions.scores[predictions.mask]
        predicted = predictions.task.predicted_classes(scores)
        confidence = scores[np.arange(len(scores)), predicted]
        true = predicted == predictions.target[predictions.mask]
    else:
        confidence, true = predictions.scores[predictions.mask], predictions.positive[predictions.mask]
    places = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    counts = np.bincount(places, minlength=NUM_BINS)
    sums = (np.bincount(places, values, minlength=NUM_BINS) for values in (confidence, true.astype(float)))
    mean_confidence, share = (np.divide(s, counts, out=np.full(NUM_BINS, np.nan), where=counts > 0) for s in sums)
    error = np.nansum(counts * np.abs(share - mean_confidence)) / counts.sum() if counts.sum() else np.nan
    edges = [place / NUM_BINS for place in range(NUM_BINS + 1)]
    columns = zip(edges, edges[1:], counts.tolist(), mean_confidence.tolist(), share.tolist(), strict=False)
    keys = ("from", "to", "count", "mean_confidence", "share_true")
    return {
        "definition": DEFINITION + CONFIDENCE[predictions.task.kind],
        "expected_calibration_error": float(error),
        "bins": [dict(zip(keys, column, strict=True)) for column in columns],
    }


def _add_decision(
    rows: list[dict[str, Any]], predictions: TaskPredictions, decision: str, intervals: Mapping[str, np.ndarray]
) -> None:
    """Add to each row precision, recall and F1 of one way of deciding, and of a multilabel task the four counts."""
    name, kind = predictions.task.name, predictions.task.kind
    threshold = predictions.thresholds.get(decision, np.nan)
    table = metrics.per_label(
        kind, predictions.scores, predictions.target, predictions.mask, predictions.task.classes, threshold
    )
    decided = predictions.predicted(decision)
    for index, (row, found) in enumerate(zip(rows, table, strict=True)):
        numbers = {"precision": found["precision"], "recall": found["recall"], "f1": found["f1"]}
        row[decision] = {k: with_interval(v, intervals[f"{name}/{decision}/{k}"][index]) for k, v in numbers.items()}
        if kind == "multilabel":
            known = predictions.labelled[:, index]
            true, predicted = predictions.positive[known, index], decided[known, index]
            counts = confusion_matrix(true, predicted, labels=[False, True]).ravel() if known.any() else [0] * 4
            names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
            row[decision] |= dict(zip(names, map(int, counts), strict=True))


def _precision_recall_curve(true: np.ndarray, scores: np.ndarray) -> dict[str, list[float]]:
    """Precision against recall from the lowest threshold to the highest, and at the end the point (1, 0).

    Points at which recall does not change are left out; of the others, up to `_CURVE_POINTS` at equal steps are kept.
    """
    precision, recall, threshold = precision_recall_curve(true, scores, drop_intermediate=True)
    kept = np.unique(np.linspace(0, len(recall) - 1, _CURVE_POINTS).round().astype(int))
    columns = {"threshold": np.append(threshold, np.nan), "precision": precision, "recall": recall}
    return {name: column[kept].round(_DIGITS).tolist() for name, column in columns.items()}
