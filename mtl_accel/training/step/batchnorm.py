"""BatchNorm's running statistics over the micro-batches of a step, on any number of processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...core.dtypes import sum_dtype


class RunningStatistics:
    """Makes a step's running mean and variance independent of who ran which micro-batch.

    PyTorch updates them once a forward pass, so that they depend on the order of the micro-batches and differ
    between processes. Here each micro-batch starts from the values before the step, and the step ends with
    the mean of what its micro-batches would have written.
    """

    def __init__(self, module: nn.Module, num_micro_batches: int) -> None:
        self._layers = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
        self.num_micro_batches = num_micro_batches
        self._select_layers()

    def _select_layers(self) -> None:
        """Select the layers in training mode; those of a frozen backbone keep their statistics."""
        layers = [m for m in self._layers if m.training]
        self._values = [b for m in layers for b in (m.running_mean, m.running_var) if b is not None]
        self._counters = [m.num_batches_tracked for m in layers if m.num_batches_tracked is not None]
        # With one micro-batch a step, what PyTorch writes is that mean already.
        self.active = bool(self._values) and self.num_micro_batches > 1
        self._num_forward = 0
        self._before: Tensor = torch.empty(0)
        self._sum: Tensor = torch.empty(0)

    def begin_step(self) -> None:
        self._select_layers()
        if self.active:
            self._num_forward, self._before = 0, self._flat()
            # In float64 a sum of a few float32 does not depend on their order.
            self._sum = torch.zeros_like(self._before, dtype=sum_dtype(self._before.device))

    def begin_micro_batch(self) -> None:
        """Call before each forward pass; one that only measures ends without `end_micro_batch`."""
        if self.active:
            self._num_forward += 1
            self._write(self._before)

    def end_micro_batch(self) -> None:
        if self.active:
            self._sum += self._flat()

    def sum(self) -> Tensor:
        """Return the sum over this process's micro-batches, flat, to be summed over the processes."""
        return self._sum

    def end_step(self, total: Tensor) -> None:
        """Write the mean, given the sum over all micro-batches of the step."""
        if self.active:
            self._write((total / self.num_micro_batches).to(self._before.dtype))
            for counter in self._counters:  # PyTorch counts forward passes; a step is one
                counter -= self._num_forward - 1

    def _flat(self) -> Tensor:
        return torch.cat([value.flatten() for value in self._values])

    def _write(self, flat: Tensor) -> None:
        parts = flat.split([value.numel() for value in self._values])
        for value, part in zip(self._values, parts, strict=True):
            value.copy_(part.view_as(value))
