"""Elastic batches: what a step sees is a pure function of (seed, epoch, step), whoever runs which part of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ..labels.reader import Targets
from ..transforms.mixing import Mix, Mixing
from ..transforms.per_sample import PerSample
from .pixel_cache import Pixels
from .sampler import PADDING, Key, TrainingOrder


@dataclass
class Batch:
    """One micro-batch. Padded samples have id -1, and no label of theirs is set in a mask."""

    key: Key
    images: Tensor  # uint8 [B, 3, H, W]; float32 in [0, 1] when transforms that ran already made it so
    ids: Tensor  # int64 [B]
    targets: dict[str, Tensor]  # [B] or [B, C]
    masks: dict[str, Tensor]  # bool [B] or [B, C]
    mix: Mix | None = None

    def to(self, device: torch.device) -> Batch:
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def tensors(self) -> list[Tensor]:
        return [self.images, self.ids, *self.targets.values(), *self.masks.values(), *(self.mix or ())]

    def pin_memory(self) -> Batch:
        return self._each(lambda tensor: tensor.pin_memory() if tensor.device.type == "cpu" else tensor)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        targets = {name: change(tensor) for name, tensor in self.targets.items()}
        masks = {name: change(tensor) for name, tensor in self.masks.items()}
        mix = self.mix and Mix(*map(change, self.mix))
        return Batch(self.key, change(self.images), change(self.ids), targets, masks, mix)


class _Keys(Sampler[Key]):
    """The keys that one process runs, in order. The training loop sets `epoch` and `first_step`."""

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
    """Every row once, in order, in batches that are dealt to the processes in turn and are all full."""

    def __init__(self, num_samples: int, batch_size: int, rank: int, num_processes: int) -> None:
        self.num_samples, self.batch_size = num_samples, batch_size
        self.rank, self.num_processes = rank, num_processes
        self.rounds = math.ceil(num_samples / (batch_size * num_processes))

    def __iter__(self) -> Iterator[Key]:
        for step in range(self.rounds):
            places = (step * self.num_processes + self.rank) * self.batch_size + np.arange(self.batch_size)
            ids = np.where(places < self.num_samples, places, PADDING)
            yield Key(0, step, self.rank, places % self.num_samples, ids)

    def __len__(self) -> int:
        return self.rounds


@dataclass(eq=False)
class MicroBatches(Dataset[Batch]):
    """Pictures and targets by key; `per_sample` are the transforms that are done here already."""

    pixels: Pixels
    targets: Mapping[str, Targets]
    per_sample: PerSample | None = None
    mixing: Mixing | None = None

    @property
    def needs_workers(self) -> bool:
        """Else pictures lie in memory, and are read faster than they can be moved from a worker."""
        return self.pixels.decodes or self.per_sample is not None

    def __getitem__(self, key: Key) -> Batch:
        real = key.ids != PADDING
        targets, masks = {}, {}
        for name, (target, mask) in self.targets.items():
            targets[name] = torch.from_numpy(target[key.rows])
            masks[name] = torch.from_numpy(mask[key.rows] & real.reshape(-1, *(1,) * (mask.ndim - 1)))
        images = self.pixels.read(key.rows)
        if self.per_sample is not None:
            images = self.per_sample(images, key.draws, key.epoch)
        mix = None if self.mixing is None else self.mixing.draw(key.epoch, key.ids)
        return Batch(key, images, torch.from_numpy(key.ids), targets, masks, mix)

    def count(self, epoch: int, ids: np.ndarray) -> dict[str, float]:
        """What the labelled elements of each task weigh in micro-batches ids [M, B]: 1 each, where none are mixed."""
        weights = np.ones(ids.shape) if self.mixing is None else self.mixing.label_weights(epoch, ids)
        rows, weights = ids[ids != PADDING] % len(self.pixels), weights[ids != PADDING]
        known = {name: mask[rows].reshape(len(rows), -1).sum(1) for name, (_, mask) in self.targets.items()}
        return {name: float(weights @ number) for name, number in known.items()}


def _loader(data: MicroBatches, keys: Sampler[Key], num_workers: int, device: torch.device) -> DataLoader:
    workers = num_workers if data.needs_workers else 0
    return DataLoader(
        data,
        sampler=keys,
        batch_size=None,  # a key is a whole micro-batch already
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda",
    )


class TrainingLoader:
    """The training split, step by step, from any step of any epoch."""

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
        self.keys = _Keys(order, rank, num_processes)
        self._loader = _loader(data, self.keys, num_workers, device)

    def steps(self, epoch: int, first_step: int = 0) -> Iterator[tuple[int, list[Batch], dict[str, float]]]:
        """(step, this process's micro-batches on the device, weight of each task's labels over all processes)."""
        self.keys.epoch, self.keys.first_step = epoch, first_step
        batches = prefetch(iter(self._loader), self.device)
        for step in range(first_step, self.order.num_steps):
            ids = self.order.step(epoch, step)[1].reshape(-1, self.order.micro_batch_size)
            yield step, [next(batches) for _ in range(self.keys.per_step)], self.data.count(epoch, ids)


class EvaluationLoader:
    """A split for evaluation: this process's share of its batches, on the device."""

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
        return prefetch(iter(self._loader), self.device)

    def __len__(self) -> int:
        return len(self.keys)


class Movable(Protocol):
    """What can be copied to a device without waiting."""

    def to(self: MovableT, device: torch.device) -> MovableT: ...

    def tensors(self) -> list[torch.Tensor]: ...


MovableT = TypeVar("MovableT", bound=Movable)


def prefetch(batches: Iterator[MovableT], device: torch.device) -> Iterator[MovableT]:
    """The batches on the device, in order. On a GPU one is always on its way, from pinned memory."""
    if device.type != "cuda":
        for batch in batches:
            yield batch.to(device)
        return
    stream = torch.cuda.Stream(device)
    waiting: tuple[MovableT, torch.cuda.Event] | None = None
    for batch in batches:
        coming = _start_copy(batch, device, stream)
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = coming
    if waiting is not None:
        yield _arrived(*waiting)


def _start_copy(batch: MovableT, device: torch.device, stream: torch.cuda.Stream) -> tuple[MovableT, torch.cuda.Event]:
    # Pictures that are on the device already were put together on the stream that computes.
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        moved = batch.to(device)
    return moved, stream.record_event()


def _arrived(batch: MovableT, copied: torch.cuda.Event) -> MovableT:
    computing = torch.cuda.current_stream()
    computing.wait_event(copied)  # the device waits there, not the host
    for tensor in batch.tensors():
        tensor.record_stream(computing)  # or its memory could be taken for the next copy while this one reads it
    return batch
