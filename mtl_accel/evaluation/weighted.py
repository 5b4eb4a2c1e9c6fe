"""Figures of a task for resamples: over weighted rows, by the same functions as over the rows of a split."""

from __future__ import annotations

import numpy as np

from ..metrics import label_counts
from ..metrics.registry import REGISTRY, metrics_of
from .decisions import metric_suffix
from .task_predictions import TaskPredictions

Values = dict[str, np.ndarray]


def measure_weighted(predictions: TaskPredictions, weights: np.ndarray) -> Values:
    """Compute loss, metrics, and each label's precision, recall, F1 and average precision.

    Args:
        weights: how often each row counts, whole numbers, float64 [R, N].

    Returns: [R] of each metric under its full name, and [R, C] under "task/decision/precision" and so on;
        of a regression [R, C] under "task/column/mae" and so on.
    """
    task, target, mask = predictions.task, predictions.target, predictions.mask
    positive, labelled = predictions.positive, predictions.labelled
    values = {"loss": weights @ predictions.losses / np.maximum(weights @ predictions.counts, 1)}
    for metric in metrics_of(task.kind, task.metrics):
        if metric.uses_decisions:
            for decision in predictions.decisions:
                decided = predictions.predicted(decision)
                values[f"{metric.name}{metric_suffix(decision)}"] = metric.function(decided, target, mask, weights)
        else:
            values[metric.name] = metric.function(predictions.scores, target, mask, weights)
    for decision in predictions.decisions:
        counts = label_counts.count(predictions.predicted(decision), positive, labelled, weights)
        values |= {f"{decision}/{column}": of_labels for column, of_labels in counts.table().items()}
    if task.kind == "regression":
        for metric in REGISTRY[task.kind]:
            of_columns = [
                metric.function(predictions.scores[:, [c]], target[:, [c]], mask[:, [c]], weights)
                for c in range(task.num_outputs)
            ]
            values[f"column/{metric.name}"] = np.stack(of_columns, axis=-1)
    else:
        values["average_precision"] = label_counts.average_precision(predictions.scores, positive, labelled, weights)
    return {f"{task.name}/{name}": value for name, value in values.items()}
