"""Losses and metrics of a whole split from its logits, on one process and in float64."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from .. import metrics
from ..core.tasks import Task
from ..data.labels.reader import Targets
from ..objective.losses import ElementLoss
from ..objective.objective import masked_sum
from .logits import split_logits


def score(
    logits: Tensor, tasks: Mapping[str, Task], losses: Mapping[str, ElementLoss], targets: Mapping[str, Targets]
) -> dict[str, float]:
    """Compute every loss and metric of a split by its full name.

    Args:
        logits: [N, sum of the tasks' outputs], rows in the order of the targets.
        targets: those of the same N rows.

    A task with no label in the split has loss 0, which adds nothing to the total, and metrics that are NaN.
    """
    values: dict[str, float] = {}
    total = 0.0
    for name, part in split_logits(logits.cpu().double(), tasks).items():
        task, (target, mask) = tasks[name], targets[name]
        labelled = torch.from_numpy(mask)
        summed = masked_sum(losses[name], part, torch.from_numpy(target), labelled)
        loss = float(summed / labelled.sum().clamp_min(1))
        scores = task.probabilities(part.numpy())
        for metric, value in metrics.compute(task.kind, scores, target, mask, added=task.metrics).items():
            values[f"{name}/{metric}"] = value
        values[f"{name}/loss"] = loss
        total += task.weight * loss
    return {**values, "loss": total}
