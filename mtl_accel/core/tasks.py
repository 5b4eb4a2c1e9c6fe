"""A task: its name, its kind, the columns of its labels, and its classes in index order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Kind = Literal["multiclass", "ordinal", "multilabel", "regression"]
# How the K - 1 outputs of an ordinal task give the probabilities of its K classes: see `ordinal_probabilities`.
Link = Literal["cumulative", "conditional"]


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

    `classes` holds the class names of a multiclass task, those of an ordinal one from the lowest to the highest, the
    label names of a multilabel one and the column names of a regression, always in the order of the probabilities.
    `scale` belongs to a regression whose columns are standardised, and `link` to an ordinal task. `values` says what
    some cells mean, such as {"-1": 0}; null: no label. `one_column` says whether one column names the labels; None, as
    in models of earlier versions: found by kind and columns. `confidence` is the column of a multilabel task that names
    labels which an image lacks; with `absent_is_no`, it lacks all others too. `metrics` names those of plugins that it
    has besides the built-in ones.
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
    link: Link | None = None
    confidence: str | None = None
    absent_is_no: bool = False
    metrics: tuple[str, ...] = ()

    @property
    def num_outputs(self) -> int:
        """Number of the model's outputs: one for each class or label, and for each step between ordinal classes."""
        return len(self.classes) - (self.kind == "ordinal")

    @property
    def is_single_label(self) -> bool:
        """Whether an image has one class, whose index is its target, rather than a target for each output."""
        return self.kind in ("multiclass", "ordinal")

    @property
    def is_one_column(self) -> bool:
        """Whether one column holds the labels of all outputs, rather than one column for each of them."""
        if self.one_column is not None:
            return self.one_column
        return self.is_single_label or self.columns != self.classes

    @property
    def metric(self) -> str:
        """Full name of the primary metric, such as "category/accuracy"."""
        return f"{self.name}/{self.primary_metric}"

    @property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities of classes or labels, or values of a regression in their units: float64 [N, classes]."""
        logits = logits.astype(np.float64)
        if self.kind == "multiclass":
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            return exponentials / exponentials.sum(axis=1, keepdims=True)
        if self.kind == "ordinal":
            return ordinal_probabilities(logits, self.link)
        if self.kind == "multilabel":
            # exp of a positive number overflows, so each sign has its own form of the sigmoid.
            small = np.exp(-np.abs(logits))
            return np.where(logits >= 0, 1 / (1 + small), small / (1 + small))
        return logits if self.scale is None else self.scale.restore(logits)

    def predicted_classes(self, probabilities: np.ndarray) -> np.ndarray:
        """Class that is predicted for each image of a single-label task, int64 [N], from probabilities [N, K]."""
        return median_class(probabilities) if self.kind == "ordinal" else probabilities.argmax(axis=1)


def ordinal_probabilities(outputs: np.ndarray, link: Link | None) -> np.ndarray:
    """Probabilities of K ordered classes, float64 [N, K], from K - 1 outputs z.

    - cumulative: P(class > k) = sigmoid(z_0 - softplus(z_1) - ... - softplus(z_k)). The logits fall from class to
      class whatever the outputs are. If only z_0 depends on the image, they are the proportional odds of McCullagh
      (1980), with a score and thresholds that rise by softplus(z_k).
    - conditional: P(class > k | class >= k) = sigmoid(z_k), as in CORN (Shi, Cao and Raschka, 2021).
    """
    outputs = outputs.astype(np.float64)
    if link == "conditional":
        exceeded = np.exp(np.cumsum(-np.logaddexp(0, -outputs), axis=1))
    else:
        steps = np.concatenate([outputs[:, :1], -np.logaddexp(0, outputs[:, 1:])], axis=1)
        exceeded = np.exp(-np.logaddexp(0, -np.cumsum(steps, axis=1)))
    return -np.diff(exceeded, axis=1, prepend=1.0, append=0.0)


def median_class(probabilities: np.ndarray) -> np.ndarray:
    """Number of the ordered classes that are exceeded with a probability above a half: int64 [N], from [N, K].

    It is the rule of CORN (Shi, Cao and Raschka, 2021), and the class of the least expected absolute error.
    """
    exceeded = probabilities[:, :0:-1].cumsum(axis=1)
    return (exceeded > 0.5).sum(axis=1)
