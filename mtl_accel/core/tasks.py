"""What a task is: a name, a kind, the columns its labels stand in, and its classes in index order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["multiclass", "multilabel", "regression"]

METRIC_NAMES: dict[str, tuple[str, ...]] = {
    "multiclass": ("accuracy", "balanced_accuracy"),
    "multilabel": ("f1_macro", "f1_micro", "f1_samples", "map"),
    "regression": ("mae", "rmse", "r2"),
}
PRIMARY_METRIC: dict[str, str] = {"multiclass": "accuracy", "multilabel": "f1_macro", "regression": "mae"}
LOWER_IS_BETTER = frozenset({"loss", "mae", "rmse"})
# How the log names a primary metric, and so the source's own words for accuracy and F1.
SHORT_NAMES = {
    "accuracy": "Acc",
    "balanced_accuracy": "Balanced Acc",
    "f1_macro": "F1",
    "f1_micro": "Micro F1",
    "f1_samples": "Sample F1",
    "map": "mAP",
    "mae": "MAE",
    "rmse": "RMSE",
    "r2": "R2",
}


def lower_is_better(metric: str) -> bool:
    """Whether a smaller value of a metric such as "category/loss" is the better one."""
    return metric.rpartition("/")[2] in LOWER_IS_BETTER


@dataclass(frozen=True)
class Task:
    """One thing to predict for each image.

    `classes` holds the class names of a multiclass task, the label names of a multilabel one and the column
    names of a regression, always in the order of the model's outputs.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    primary_metric: str
    weight: float = 1.0
    delimiter: str = " "

    @property
    def num_outputs(self) -> int:
        return len(self.classes)

    @property
    def metric(self) -> str:
        """The primary metric under its full name, such as "category/accuracy"."""
        return f"{self.name}/{self.primary_metric}"

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over classes, sigmoid of each label, or the values of a regression as they are: [N, C]."""
        logits = logits.astype(np.float64)
        if self.kind == "multiclass":
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            return exponentials / exponentials.sum(axis=1, keepdims=True)
        if self.kind == "multilabel":
            # exp of a positive number overflows, so each sign has its own form of the sigmoid.
            small = np.exp(-np.abs(logits))
            return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
        return logits


def composite(values: Mapping[str, float], tasks: Mapping[str, Task]) -> float:
    """The mean of the tasks' primary metrics; those where lower is better enter with a minus sign."""
    signed = [-values[t.metric] if lower_is_better(t.metric) else values[t.metric] for t in tasks.values()]
    return float(np.mean(signed))


def score_of(values: Mapping[str, float], tasks: Mapping[str, Task], select_by: str) -> float:
    """What decides which epoch is the best, the higher the better: the composite, or one metric by its full name."""
    chosen = composite(values, tasks) if select_by == "mean" else values[select_by]
    return -chosen if lower_is_better(select_by) else chosen
