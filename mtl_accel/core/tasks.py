"""A task: its name, its kind, the columns of its labels, and its classes in index order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["multiclass", "multilabel", "regression"]


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
        """Full name of the primary metric, such as "category/accuracy"."""
        return f"{self.name}/{self.primary_metric}"

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over classes, sigmoid of each label, or the values of a regression unchanged: float64 [N, C]."""
        logits = logits.astype(np.float64)
        if self.kind == "multiclass":
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            return exponentials / exponentials.sum(axis=1, keepdims=True)
        if self.kind == "multilabel":
            # exp of a positive number overflows, so each sign has its own form of the sigmoid.
            small = np.exp(-np.abs(logits))
            return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
        return logits
