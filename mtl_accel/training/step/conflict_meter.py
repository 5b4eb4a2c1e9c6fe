"""Conflict meter: the angle between the tasks' gradients of the shared parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from ...models.base import Pair
from ...runs.log import RunLog
from .task_gradients import TaskGradients, gramian


class ConflictMeter:
    """Writes a row to log.jsonl every so many steps: cosine and ratio of norms of each pair of tasks.

    It changes nothing: the step's own gradient is computed as without it, and a run ends with the same weights to the
    bit. A step that is measured costs one more backward pass for each task.
    """

    def __init__(self, every: int, pair: Pair, tasks: Sequence[str], accelerator: Accelerator, log: RunLog) -> None:
        self.every, self.pair, self.tasks, self.accelerator, self.log = every, pair, list(tasks), accelerator, log
        self._step = (0, 0)
        self._gradients: TaskGradients | None = None

    def begin_step(self, epoch: int, step: int) -> None:
        self._step = epoch, step

    @property
    def is_measured(self) -> bool:
        """Whether this step is measured."""
        return self._step[1] % self.every == 0

    def add(self, index: int, num_here: int, weighted_losses: Tensor) -> None:
        """Add a micro-batch before its backward pass; weighted_losses [T] with their graph."""
        if not self.is_measured:
            return
        if index == 0:
            self._gradients = TaskGradients(self.pair, self.tasks, heads=False)
        if self._gradients is not None and self._gradients.shared:
            self._gradients.add(index, num_here, self.accelerator.num_processes, weighted_losses, keep_graph=True)

    def finish(self) -> None:
        """Call after the last micro-batch, on every process."""
        gradients, self._gradients = self._gradients, None
        if gradients is not None and gradients.shared:
            self.write(gramian(gradients.reduce(self.accelerator)))

    def write(self, products: Tensor) -> None:
        """Log the Gramian [T, T] of a step's gradients; nothing at steps that are not measured."""
        if self.is_measured:
            epoch, step = self._step
            self.log.event("conflict", epoch=epoch + 1, step=step + 1, pairs=pairs(products.cpu(), self.tasks))


def pairs(products: Tensor, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row for each pair of tasks, from their Gramian [T, T].

    "cosine" of their gradients, and "norm_ratio", the first one's norm over the second's; null where a gradient is 0.
    """
    norms = torch.sqrt(products.diagonal()).tolist()
    rows = []
    for a, b in itertools.combinations(range(len(tasks)), 2):
        product = norms[a] * norms[b]
        cosine = float(products[a, b]) / product if product else math.nan
        ratio = norms[a] / norms[b] if product else math.nan
        rows.append({"tasks": [tasks[a], tasks[b]], "cosine": cosine, "norm_ratio": ratio})
    return rows
