"""Exponential moving average of the weights of a training run (Polyak and Juditsky, 1992)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

_RAMP = 10  # the decay of step t is at most (1 + t) / (10 + t), so that the random start is soon forgotten


class WeightAverage:
    """Averages a model's weights, and BatchNorm's running statistics with them, step by step.

    The statistics belong to the activations of their own weights, hence they are averaged too; counters are copied.
    The same weights give the same average: on several processes nothing has to be sent. It costs one more copy of the
    model, and one fused pass over the weights a step.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = model, decay
        self._live = [*model.parameters(), *model.buffers()]
        self._averaged = [tensor.detach().clone() for tensor in self._live]
        pairs = list(zip(self._averaged, self._live, strict=True))
        self._floating = [pair for pair in pairs if pair[1].is_floating_point()]
        self._counters = [pair for pair in pairs if not pair[1].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Call after each optimizer step; `step` counts those of the run before it."""
        decay = min(self.decay, (1 + step) / (_RAMP + step))
        averaged, live = (list(part) for part in zip(*self._floating, strict=True))
        get_ema_multi_avg_fn(decay)(averaged, live, None)
        for mean, counter in self._counters:
            mean.copy_(counter)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the averaged weights within the block. They are swapped, not copied."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for mean, live in zip(self._averaged, self._live, strict=True):
            mean.data, live.data = live.data, mean.data

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averaged weights under the model's names; not copies."""
        with self.applied():
            return self.model.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        with self.applied():
            self.model.load_state_dict(state)
