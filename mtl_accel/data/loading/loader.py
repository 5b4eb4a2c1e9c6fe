"""Elastic batches: those of a step are a pure function of (seed, epoch, step), whichever process runs which of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ...core.errors import UserError
from ..labels.reader import Targets
from ..transforms.mixing import Mix, Mixing
from ..transforms.per_sample import PerSample
from .pixels import Pixels
from .prefetch import prefetch
from .sampler import PADDING, Key, TrainingOrder


@dataclass
class Batch:
    """One micro-batch. Padding has the id -1, and its mask is false everywhere."""

    key: Key
    images: Tensor  # uint8 [B, 3, H, W], or float32 in [0, 1] after per-sample transforms that made it so
    ids: Tensor  # int64 [B]
    targets: dict[str, Tensor]  # [B] or [B, C]
    masks: dict[str, Tensor]  # bool [B] or [B, C]
    mix: Mix | None = None

    def to(self, device: torch.device) -> Batch:
        """Copy the tensors to a device, without waiting for it."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def tensors(self) -> list[Tensor]:
        """All tensors of the batch."""
        return [self.images, self.ids, *self.targets.values(), *self.masks.values(), *(self.mix or ())]

    def pin_memory(self) -> Batch:
        """Copy the tensors to pinned memory; torch's DataLoader calls it."""
        return self._map(lambda tensor: tensor.pin_memory() if tensor.device.type == "cpu" else tensor)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        targets = {name: function(tensor) for name, tensor in self.targets.items()}
        masks = {name: function(tensor) for name, tensor in self.masks.items()}
        mix = self.mix and Mix(*map(function, self.mix))
        return Batch(self.key, function(self.images), function(self.ids), targets, masks, mix)


@dataclass(frozen=True)
class UnreadableBatch:
    """Stands in place of a batch with broken images: an error of a worker process would arrive as its traceback."""

    problems: list[str]

    def to(self, device: torch.device) -> UnreadableBatch:
        return self

    def tensors(self) -> list[Tensor]:
        return []


class _TrainingKeys(Sampler[Key]):
    """The micro-batches of one process, in order. `TrainingLoader.steps` sets `epoch` and `first_step`."""

    epoch, first_step = 0, 0

    def __init__(self, order: TrainingOrder, rank: int, num_processes: int) -> None:
        assert order.num_micro_batches % num_processes == 0
        self.order, self.rank = order, rank
        self.per_step = order.num_micro_batches // num_processes

    def __iter__(self) -> Iterator[Key]:
        for step in range(self.first_step, self.order.num_steps):
            for index in range(self.rank * self.per_step, (self.rank + 1) * self.per_step):
                yield self.order.micro_batch(self.epoch, step, index)

    def __len__(self) -> int:
        return (self.order.num_steps - self.first_step) * self.per_step


class _EvaluationKeys(Sampler[Key]):
    """Every row once, in order. Processes take batches in turn, and the last batches are filled up with padding."""

    def __init__(self, num_samples: int, batch_size: int, rank: int, num_processes: int) -> None:
        self.num_samples, self.batch_size = num_samples, batch_size
        self.rank, self.num_processes = rank, num_processes
        self.rounds = math.ceil(num_samples / (batch_size * num_processes))

    def __iter__(self) -> Iterator[Key]:
        for step in range(self.rounds):
            positions = (step * self.num_processes + self.rank) * self.batch_size + np.arange(self.batch_size)
            ids = np.where(positions < self.num_samples, positions, PADDING)
            yield Key(0, step, self.rank, positions % self.num_samples, ids)

    def __len__(self) -> int:
        return self.rounds


@dataclass(eq=False)
class MicroBatches(Dataset[Batch | UnreadableBatch]):
    """Micro-batches by their key: images, with the per-sample transforms done, targets, and how to mix them."""

    pixels: Pixels
    targets: Mapping[str, Targets]
    per_sample: PerSample | None = None
    mixing: Mixing | None = None

    @property
    def needs_workers(self) -> bool:
        """Whether reading is slow. Images in memory are read faster than they could be sent from a worker."""
        return self.pixels.decodes or self.per_sample is not None

    def __getitem__(self, key: Key) -> Batch | UnreadableBatch:
        try:
            return self._read(key)
        except UserError as error:
            return UnreadableBatch(error.problems)

    def _read(self, key: Key) -> Batch:
        real = key.ids != PADDING
        targets, masks = {}, {}
        for name, (target, mask) in self.targets.items():
            targets[name] = torch.from_numpy(target[key.rows])
            masks[name] = torch.from_numpy(mask[key.rows] & real.reshape(-1, *(1,) * (mask.ndim - 1)))
        images = self.pixels.read(key.rows)
        if self.per_sample is not None:
            images = self.per_sample(images, key.augmentation_ids, key.epoch)
        mix = None if self.mixing is None else self.mixing.draw(key.epoch, key.ids)
        return Batch(key, images, torch.from_numpy(key.ids), targets, masks, mix)

    def count_labels(self, epoch: int, ids: np.ndarray) -> dict[str, float]:
        """The number of labelled elements of each task in micro-batches ids [M, B]; mixed ones by their weights."""
        weights = np.ones(ids.shape) if self.mixing is None else self.mixing.label_weights(epoch, ids)
        rows, weights = ids[ids != PADDING] % len(self.pixels), weights[ids != PADDING]
        numbers = {name: mask[rows].reshape(len(rows), -1).sum(1) for name, (_, mask) in self.targets.items()}
        return {name: float(weights @ number) for name, number in numbers.items()}


def _loader(data: MicroBatches, keys: Sampler[Key], num_workers: int, device: torch.device) -> DataLoader:
    workers = num_workers if data.needs_workers else 0
    return DataLoader(
        data,
        sampler=keys,
        batch_size=None,  # a key stands for a whole micro-batch
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )


class TrainingLoader:
    """Loads the training split step by step, from any step of any epoch."""

    def __init__(
        self,
        data: MicroBatches,
        order: TrainingOrder,
        rank: int,
        num_processes: int,
        num_workers: int,
        device: torch.device,
    ) -> None:
        self.data, self.order, self.device = data, order, device
        self.keys = _TrainingKeys(order, rank, num_processes)
        self._loader = _loader(data, self.keys, num_workers, device)

    def steps(self, epoch: int, first_step: int = 0) -> Iterator[tuple[int, list[Batch], dict[str, float]]]:
        """Yield (step, micro-batches of this process on the device, number of each task's labels on all processes).

        Raises:
            UserError: images of a batch cannot be decoded.
        """
        self.keys.epoch, self.keys.first_step = epoch, first_step
        batches = _require_readable(prefetch(iter(self._loader), self.device))
        for step in range(first_step, self.order.num_steps):
            ids = self.order.samples(epoch, step)[1].reshape(-1, self.order.micro_batch_size)
            yield step, [next(batches) for _ in range(self.keys.per_step)], self.data.count_labels(epoch, ids)


class EvaluationLoader:
    """Loads the batches that this process has of a split, for evaluation."""

    def __init__(
        self,
        data: MicroBatches,
        batch_size: int,
        rank: int,
        num_processes: int,
        num_workers: int,
        device: torch.device,
    ) -> None:
        self.data, self.num_samples, self.batch_size, self.device = data, len(data.pixels), batch_size, device
        self.keys = _EvaluationKeys(self.num_samples, batch_size, rank, num_processes)
        self._loader = _loader(data, self.keys, num_workers, device)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches on the device. Raises UserError where images of a batch cannot be decoded."""
        return _require_readable(self.batches())

    def batches(self) -> Iterator[Batch | UnreadableBatch]:
        """Iterate over all batches on the device, those with broken images among them."""
        return prefetch(iter(self._loader), self.device)

    def __len__(self) -> int:
        return len(self.keys)


def _require_readable(batches: Iterable[Batch | UnreadableBatch]) -> Iterator[Batch]:
    for batch in batches:
        if isinstance(batch, UnreadableBatch):
            raise UserError(batch.problems)
        yield batch
