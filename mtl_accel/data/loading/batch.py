"""A micro-batch, as the loaders give it to a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..transforms.mixing import Mix
from .decoding_notes import Note
from .sampler import Key


@dataclass
class Batch:
    """One micro-batch. Padding has the id -1, and its mask is false everywhere."""

    key: Key
    # uint8 [B, 3, H, W] or [B, crops, 3, h, w]; or float32 in [0, 1] after per-sample transforms that made it so
    images: Tensor
    ids: Tensor  # int64 [B]
    targets: dict[str, Tensor]  # [B] or [B, C]
    masks: dict[str, Tensor]  # bool [B] or [B, C]
    mix: Mix | None = None
    notes: tuple[Note, ...] = ()  # on images that were decoded for this batch

    def to(self, device: torch.device) -> Batch:
        """Copy the tensors to a device, without waiting for it."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def tensors(self) -> list[Tensor]:
        """All tensors of the batch."""
        return [self.images, self.ids, *self.targets.values(), *self.masks.values(), *(self.mix or ())]

    def pin_memory(self) -> Batch:
        """Copy the tensors to pinned memory; torch's DataLoader calls it."""
        return self._map(lambda tensor: tensor.pin_memory() if tensor.device.type == "cpu" else tensor)

    def by_value(self) -> Batch:
        """Put arrays in place of the tensors, so that a worker sends them through its pipe and not shared memory."""
        return self._map(lambda tensor: tensor.numpy())

    def received(self) -> Batch:
        """Put tensors in place of the arrays of `by_value`; tensors stay what they are."""
        return self._map(torch.as_tensor)

    def _map(self, function: Callable[[Any], Any]) -> Batch:
        targets = {name: function(tensor) for name, tensor in self.targets.items()}
        masks = {name: function(tensor) for name, tensor in self.masks.items()}
        mix = self.mix and Mix(*map(function, self.mix))
        return Batch(self.key, function(self.images), function(self.ids), targets, masks, mix, self.notes)


@dataclass(frozen=True)
class UnreadableBatch:
    """Stands in place of a batch with broken images: an error of a worker process would arrive as its traceback."""

    problems: list[str]
    notes: tuple[Note, ...] = ()

    def to(self, device: torch.device) -> UnreadableBatch:
        return self

    def tensors(self) -> list[Tensor]:
        return []

    def by_value(self) -> UnreadableBatch:
        return self

    def received(self) -> UnreadableBatch:
        return self
