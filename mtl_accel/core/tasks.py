"""A task: its name, its kind, the columns of its labels, and its classes in index order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["multiclass", "multilabel", "regression"]


@dataclass(frozen=True)
class Scale:
    """What a network learns in place of a column's numbers: (value - mean) / std, of log(1 + value) where `log1p`.

    Attributes:
        mean, std: one for each column of a regression task, over the labelled rows of the training split.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    log1p: bool = False

    @classmethod
    def unit(cls, num_columns: int, *, log1p: bool = False) -> Scale:
        """Scale that changes nothing but the logarithm."""
        return cls((0.0,) * num_columns, (1.0,) * num_columns, log1p)

    @classmethod
    def fit(cls, target: np.ndarray, mask: np.ndarray, *, log1p: bool = False) -> Scale:
        """Find mean and standard deviation of each column: target float [N, C], mask bool [N, C].

        A column without two different numbers has std 1, and one without any number mean 0.
        """
        values = target.astype(np.float64)
        columns = [
            column[known] for column, known in zip((np.log1p(values) if log1p else values).T, mask.T, strict=True)
        ]
        means = [float(column.mean()) if len(column) else 0.0 for column in columns]
        stds = [float(column.std()) if len(column) else 1.0 for column in columns]
        return cls(tuple(means), tuple(std or 1.0 for std in stds), log1p)

    def restore(self, learned: np.ndarray) -> np.ndarray:
        """Turn outputs of the network, float64 [N, C], into numbers in the columns' units."""
        values = learned * np.array(self.std) + np.array(self.mean)
        return np.expm1(values) if self.log1p else values


@dataclass(frozen=True)
class Task:
    """One thing to predict for each image.

    `classes` holds the class names of a multiclass task, the label names of a multilabel one and the column
    names of a regression, always in the order of the model's outputs. `scale` belongs to a regression whose columns
    are standardised. `values` says what some cells mean, such as {"-1": 0}; null: no label. `one_column` says whether
    one column names the labels; None, as in models of earlier versions: found by kind and columns.
    """

    name: str
    kind: Kind
    columns: tuple[str, ...]
    classes: tuple[str, ...]
    primary_metric: str
    weight: float = 1.0
    delimiter: str = " "
    scale: Scale | None = None
    values: Mapping[str, str | int | float | None] = field(default_factory=dict, hash=False)
    one_column: bool | None = None

    @property
    def num_outputs(self) -> int:
        return len(self.classes)

    @property
    def is_one_column(self) -> bool:
        """Whether one column holds the labels of all outputs, rather than one column for each of them."""
        if self.one_column is not None:
            return self.one_column
        return self.kind == "multiclass" or self.columns != self.classes

    @property
    def metric(self) -> str:
        """Full name of the primary metric, such as "category/accuracy"."""
        return f"{self.name}/{self.primary_metric}"

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over classes, sigmoid of each label, or values of a regression in their units: float64 [N, C]."""
        logits = logits.astype(np.float64)
        if self.kind == "multiclass":
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            return exponentials / exponentials.sum(axis=1, keepdims=True)
        if self.kind == "multilabel":
            # exp of a positive number overflows, so each sign has its own form of the sigmoid.
            small = np.exp(-np.abs(logits))
            return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
        return logits if self.scale is None else self.scale.restore(logits)
