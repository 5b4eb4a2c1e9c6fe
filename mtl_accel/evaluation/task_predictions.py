"""The predictions of one task on a split, beside the targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.tasks import Task
from ..data.labels.reader import Targets
from ..inference.logits import split_logits
from ..metrics import thresholds
from ..metrics.multiclass import one_hot
from ..objective.losses import ElementLoss
from .decisions import CROSS_FITTED, HALF, LARGEST, MEDIAN, STORED


@dataclass(frozen=True)
class TaskPredictions:
    """Predictions and targets of one task on one split.

    Attributes:
        scores: `Task.probabilities`, float64 [N, C].
        target, mask: as in `Targets`.
        losses: loss of each row, summed over its labelled elements, float64 [N]; counts: how many these are, [N].
        thresholds: those of a multilabel task, by the name of the decision; each broadcasts to [N, C].
    """

    task: Task
    scores: np.ndarray
    target: np.ndarray
    mask: np.ndarray
    losses: np.ndarray
    counts: np.ndarray
    thresholds: Mapping[str, np.ndarray]

    @property
    def decisions(self) -> tuple[str, ...]:
        """The ways to decide on the scores; none for a regression."""
        of_classes = {"multiclass": (LARGEST,), "ordinal": (MEDIAN,)}
        return of_classes.get(self.task.kind, tuple(self.thresholds))

    def predicted(self, decision: str) -> np.ndarray:
        """Classes or labels that are predicted, bool [N, C]."""
        if self.task.is_single_label:
            return one_hot(self.task.predicted_classes(self.scores), len(self.task.classes))
        return self.scores >= self.thresholds[decision]

    @property
    def positive(self) -> np.ndarray:
        """Classes or labels that are true, bool [N, C]; false where nothing is labelled."""
        is_class = self.task.is_single_label
        truth = one_hot(self.target, len(self.task.classes)) if is_class else self.target == 1
        return truth & self.labelled

    @property
    def labelled(self) -> np.ndarray:
        """The mask for each class or label, bool [N, C]."""
        return np.broadcast_to(self.mask.reshape(len(self.mask), -1), self.scores.shape)


def collect_task_predictions(
    logits: Tensor,
    tasks: Mapping[str, Task],
    targets: Mapping[str, Targets],
    losses: Mapping[str, ElementLoss],
    stored: Mapping[str, np.ndarray],
    cross_fit_seed: int | None,
) -> list[TaskPredictions]:
    """Collect the predictions of every task of a split.

    Args:
        logits: [N, outputs], rows in the order of the targets.
        stored: the model's thresholds [C] of each multilabel task.
        cross_fit_seed: given on the split that the stored thresholds were fitted on, where thresholds that are fitted
            on other rows are used in their place; None on any other split.
    """
    found = []
    for name, part in split_logits(logits.double(), tasks).items():
        task, (target, mask) = tasks[name], targets[name]
        elements = losses[name](part, torch.from_numpy(target).to(torch.int64 if task.is_single_label else part))
        of_rows = np.where(mask, elements.numpy(), 0.0).reshape(len(mask), -1).sum(axis=1)
        scores = task.probabilities(part.numpy())
        decided: dict[str, np.ndarray] = {}
        if task.kind == "multilabel":
            decided[HALF] = np.array(thresholds.DEFAULT_THRESHOLD)
            if cross_fit_seed is None:
                decided[STORED] = stored[name]
            else:
                decided[CROSS_FITTED] = thresholds.cross_fit(scores, target, mask, cross_fit_seed)
        counts = mask.reshape(len(mask), -1).sum(axis=1)
        found.append(TaskPredictions(task, scores, target, mask, of_rows, counts, decided))
    return found
