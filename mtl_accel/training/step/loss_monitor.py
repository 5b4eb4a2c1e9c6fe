"""Reads the losses once a logging interval, and stops a run whose loss is no longer finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...core.errors import UserError

_MAX_SHOWN_IDS = 8  # of the batch that is named


class LossMonitor:
    """Keeps each step's losses on the device until the interval ends, then reads them in one wait."""

    def __init__(self, task_names: Sequence[str], batch_ids: Callable[[int, int], Sequence[str]]) -> None:
        """`batch_ids(epoch, step)` gives the sample ids of a step, for the message."""
        self.task_names, self.batch_ids = list(task_names), batch_ids
        self._steps: list[int] = []
        self._losses: list[Tensor] = []
        self._read: list[Tensor] = []  # since `take_means`, on the host

    def add(self, step: int, losses: Tensor) -> None:
        """losses [T]: the step's loss of each task, over all processes."""
        self._steps.append(step)
        self._losses.append(losses)

    def read(self, epoch: int, lr: float, norm: Tensor) -> float:
        """Return the interval's mean loss, summed over the tasks, and start the next interval.

        Raises:
            UserError: a loss, or the norm of the last gradient or of the weights, is NaN or infinite.
        """
        losses = torch.stack(self._losses).cpu()
        finite = torch.isfinite(losses)
        steps, self._steps, self._losses = self._steps, [], []
        norm_value = float(norm)
        if finite.all() and math.isfinite(norm_value):
            self._read.append(losses)
            return float(losses.sum(dim=1).mean())
        if finite.all():
            what, step = f"the norm of gradient or weights is {norm_value}", steps[-1]
        else:
            row = int((~finite.all(dim=1)).nonzero()[0])
            values = dict(zip(self.task_names, losses[row].tolist(), strict=True))
            bad = [f"{name} {value:g}" for name, value in values.items() if not math.isfinite(value)]
            what, step = f"the loss is not finite ({', '.join(bad)})", steps[row]
        ids = list(self.batch_ids(epoch, step))
        shown = ", ".join(ids[:_MAX_SHOWN_IDS]) + (
            f" and {len(ids) - _MAX_SHOWN_IDS} more" if len(ids) > _MAX_SHOWN_IDS else ""
        )
        raise UserError(
            f"epoch {epoch + 1}, step {step + 1} (seen in steps {steps[0] + 1} to {steps[-1] + 1}), learning rate "
            f"{lr:g}: {what}; samples {shown}. No checkpoint was written from it: lower the learning rate, set "
            'gradient_clip_norm, or mixed_precision "no", and resume'
        )

    def take_means(self) -> dict[str, float]:
        """Return each task's mean loss over the steps that were read since the last call."""
        losses, self._read = torch.cat(self._read), []
        return dict(zip(self.task_names, losses.mean(dim=0).tolist(), strict=True))


class SkippedSteps:
    """Counts the steps that fp16's loss scaling skipped. Each of them divides the scale by the same factor.

    Once a logging interval is enough: the scale grows once in 2,000 steps, so at most one is missed in those.
    """

    def __init__(self, scaler: torch.amp.GradScaler | None) -> None:
        self.scaler = scaler
        self._scale: float | None = None

    def count(self) -> int:
        """Return the steps skipped since the last call. Waits for the device: call it where the losses are read."""
        if self.scaler is None:
            return 0
        before, self._scale = self._scale, self.scaler.get_scale()
        if before is None or self._scale >= before:
            return 0
        return round(math.log(self._scale / before, self.scaler.get_backoff_factor()))
