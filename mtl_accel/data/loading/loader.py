"""Elastic batches: those of a step are a pure function of (seed, epoch, step), whichever process runs which of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from ...core.errors import UserError
from ..labels.reader import Targets
from ..transforms.mixing import Mixing
from ..transforms.per_sample import PerSample
from .batch import Batch, UnreadableBatch
from .decoding_notes import Note, NotesReport, collect_notes
from .pixels import Pixels
from .prefetch import prefetch
from .sampler import PADDING, Key, TrainingOrder
from .workers import choose_way, iterate


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

    def batch_bytes(self, batch_size: int) -> int:
        """Size of a batch's images, from one of them; 0 if that cannot be decoded."""
        if self.per_sample is not None:
            height, width = self.per_sample.output_size
            return batch_size * self.per_sample.num_crops * 3 * height * width * 4
        try:
            images, _ = self._read_pixels(np.zeros(1, dtype=np.int64))
            return batch_size * images[0].nbytes
        except UserError:
            return 0

    def _read(self, key: Key) -> Batch:
        real = key.ids != PADDING
        targets, masks = {}, {}
        for name, (target, mask) in self.targets.items():
            targets[name] = torch.from_numpy(target[key.rows])
            masks[name] = torch.from_numpy(mask[key.rows] & real.reshape(-1, *(1,) * (mask.ndim - 1)))
        images, notes = self._read_pixels(key.rows)
        if self.per_sample is not None:
            images = self.per_sample(images, key.augmentation_ids, key.epoch)
        assert isinstance(images, Tensor), "images of several sizes have transforms that bring them to one"
        mix = None if self.mixing is None else self.mixing.draw(key.epoch, key.ids)
        return Batch(key, images, torch.from_numpy(key.ids), targets, masks, mix, tuple(notes))

    def _read_pixels(self, rows: np.ndarray) -> tuple[Tensor | list[Tensor], list[Note]]:
        if not self.pixels.decodes:
            return self.pixels.read(rows), []
        with collect_notes() as notes:
            return self.pixels.read(rows), notes

    def count_labels(self, epoch: int, ids: np.ndarray) -> dict[str, float]:
        """The number of labelled elements of each task in micro-batches ids [M, B]; mixed ones by their weights."""
        weights = np.ones(ids.shape) if self.mixing is None else self.mixing.label_weights(epoch, ids)
        rows, weights = ids[ids != PADDING] % len(self.pixels), weights[ids != PADDING]
        numbers = {name: mask[rows].reshape(len(rows), -1).sum(1) for name, (_, mask) in self.targets.items()}
        return {name: float(weights @ number) for name, number in numbers.items()}


class _ByValue(Dataset[Batch | UnreadableBatch]):
    """Micro-batches that a worker sends through its pipe."""

    def __init__(self, data: MicroBatches) -> None:
        self.data = data

    def __getitem__(self, key: Key) -> Batch | UnreadableBatch:
        return self.data[key].by_value()


def _loader(
    data: MicroBatches, keys: Sampler[Key], batch_size: int, num_workers: int, device: torch.device
) -> DataLoader:
    workers = num_workers if data.needs_workers else 0
    way = "shared"
    if workers:
        tensors = 4 + 2 * len(data.targets)  # images, ids and what mixing adds; target and mask of each task
        way = choose_way(workers, data.batch_bytes(batch_size), tensors)
        workers = 0 if way == "none" else workers
    return DataLoader(
        _ByValue(data) if way == "pipes" else data,
        sampler=keys,
        batch_size=None,  # a key stands for a whole micro-batch
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=device.type == "cuda" and way != "pipes",
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
        self._report = NotesReport(speaks=rank == 0)
        self._loader = _loader(data, self.keys, order.micro_batch_size, num_workers, device)

    def steps(self, epoch: int, first_step: int = 0) -> Iterator[tuple[int, list[Batch], dict[str, float]]]:
        """Yield (step, micro-batches of this process on the device, number of each task's labels on all processes).

        Raises:
            UserError: images of a batch cannot be decoded.
        """
        self.keys.epoch, self.keys.first_step = epoch, first_step
        batches = _require_readable(prefetch(_received(self._loader), self.device))
        for step in range(first_step, self.order.num_steps):
            ids = self.order.samples(epoch, step)[1].reshape(-1, self.order.micro_batch_size)
            of_step = [next(batches) for _ in range(self.keys.per_step)]
            self._report.add(note for batch in of_step for note in batch.notes)
            yield step, of_step, self.data.count_labels(epoch, ids)
        self._report.end()


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
        self._report = NotesReport(speaks=rank == 0)
        self._loader = _loader(data, self.keys, batch_size, num_workers, device)

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches on the device. Raises UserError where images of a batch cannot be decoded."""
        return _require_readable(self.batches())

    def batches(self) -> Iterator[Batch | UnreadableBatch]:
        """Iterate over all batches on the device, those with broken images among them."""
        for batch in prefetch(_received(self._loader), self.device):
            self._report.add(batch.notes)
            yield batch
        self._report.end()

    def __len__(self) -> int:
        return len(self.keys)


def _received(loader: DataLoader) -> Iterator[Batch | UnreadableBatch]:
    return (batch.received() for batch in iterate(loader))


def _require_readable(batches: Iterable[Batch | UnreadableBatch]) -> Iterator[Batch]:
    for batch in batches:
        if isinstance(batch, UnreadableBatch):
            raise UserError(batch.problems)
        yield batch
