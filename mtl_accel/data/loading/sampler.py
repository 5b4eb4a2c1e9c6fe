"""The samples of each training step, a pure function of (seed, epoch, step), and the weights that they are drawn by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ...config.sections.sampling import RareLabels
from ...core import rng
from ...core.errors import UserError
from ...core.tasks import Task
from ..labels.reader import Targets

PADDING = -1


def check_sizes(batch_size: int, micro_batch_size: int | None, num_processes: int) -> int:
    """Return the micro-batch size of a run; None stands for the share of each process.

    Raises:
        UserError: the processes cannot have equally many micro-batches of a batch. Names the nearest sizes that fit.
    """
    if micro_batch_size is None:
        if batch_size % num_processes == 0:
            return batch_size // num_processes
        lower = batch_size // num_processes * num_processes
        near = " or ".join(str(size) for size in (lower, lower + num_processes) if size)
        raise UserError(f"batch_size: {batch_size} cannot be dealt to {num_processes} processes; set it to {near}")
    num_micro_batches = batch_size // micro_batch_size
    if num_micro_batches * micro_batch_size == batch_size and num_micro_batches % num_processes == 0:
        return micro_batch_size
    fits = [n for n in range(1, batch_size + 1) if batch_size % (n * num_processes) == 0]
    near = " or ".join(str(n) for n in sorted(sorted(fits, key=lambda n: abs(n - micro_batch_size))[:2]))
    unit = micro_batch_size * num_processes
    other = f"set batch_size to a multiple of {unit}, such as {max(round(batch_size / unit), 1) * unit}"
    raise UserError(
        f"micro_batch_size: batch_size {batch_size} in micro-batches of {micro_batch_size} cannot be dealt to "
        f"{num_processes} processes; " + (f"set micro_batch_size to {near}, or {other}" if near else other)
    )


class Key(NamedTuple):
    """The samples of one micro-batch. The epoch is part of it, so that a persistent worker cannot use an old one."""

    epoch: int
    step: int
    micro_batch: int
    rows: np.ndarray  # int64 [B], rows of the table
    ids: np.ndarray  # int64 [B], ids of the samples in this epoch, or PADDING for a sample that is not counted

    @property
    def augmentation_ids(self) -> np.ndarray:
        """The ids that augmentation is keyed by, int64 [B]: those of the samples, and the rows of padding."""
        return np.where(self.ids == PADDING, self.rows, self.ids)


class TrainingOrder:
    """The samples of each step of each epoch: a seeded permutation of the rows, cut into batches and micro-batches.

    The last batch is filled up with the first rows of the permutation, as padding: they pass through BatchNorm like
    any others, but have no labels and are not counted.

    With `weights` as many rows are drawn with replacement instead. The id of a sample is its row, plus `num_samples`
    each time that the row is drawn again. So the ids of an epoch are unique, and an image that comes twice is
    augmented in two ways.
    """

    def __init__(
        self, num_samples: int, batch_size: int, micro_batch_size: int, seed: int, weights: np.ndarray | None = None
    ) -> None:
        """`weights`: float64 [num_samples], how often a row is drawn relative to the others; None: each row once."""
        assert batch_size % micro_batch_size == 0
        self.num_samples, self.batch_size, self.micro_batch_size, self.seed = (
            num_samples,
            batch_size,
            micro_batch_size,
            seed,
        )
        self.num_steps = math.ceil(num_samples / batch_size)
        self.num_micro_batches = batch_size // micro_batch_size
        self._cumulative = None if weights is None else np.cumsum(weights)
        self._ids: tuple[int, np.ndarray] = (-1, np.empty(0, dtype=np.int64))

    def ids(self, epoch: int) -> np.ndarray:
        """The ids of an epoch in order, int64 [num_samples]."""
        if self._ids[0] != epoch:
            self._ids = epoch, self._permutation(epoch) if self._cumulative is None else self._weighted(epoch)
        return self._ids[1]

    def _permutation(self, epoch: int) -> np.ndarray:
        random_bits = rng.random_bits(self.seed, rng.ORDER, epoch, np.arange(self.num_samples))
        return np.argsort(random_bits, kind="stable")

    def _weighted(self, epoch: int) -> np.ndarray:
        """Ids drawn with replacement: the inverse of the cumulative weights at keyed uniform numbers."""
        assert self._cumulative is not None
        uniform = rng.uniforms(1, self.seed, rng.ORDER, epoch, np.arange(self.num_samples))[:, 0]
        rows = np.searchsorted(self._cumulative, uniform * self._cumulative[-1], side="right")
        rows = np.minimum(rows, self.num_samples - 1)  # a number just below 1 may be rounded past the end
        by_row = np.argsort(rows, kind="stable")
        first = np.searchsorted(rows[by_row], rows[by_row])  # of the draws of the same row
        earlier = np.empty_like(rows)
        earlier[by_row] = np.arange(self.num_samples) - first
        return rows + earlier * self.num_samples

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """The rows of some ids, none of which is PADDING."""
        return ids % self.num_samples

    def targets_of(self, epoch: int, ids: np.ndarray, targets: Mapping[str, Targets]) -> dict[str, Targets]:
        """The targets of all samples of an epoch, whose sorted ids are `ids`."""
        assert np.array_equal(ids, np.sort(self.ids(epoch))), "a sample was lost or doubled"
        if self._cumulative is None:
            return dict(targets)
        rows = self.rows_of(ids)
        return {name: labels.select(rows) for name, labels in targets.items()}

    def samples(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and ids of one optimizer step over all processes, int64 [batch_size] each."""
        positions = step * self.batch_size + np.arange(self.batch_size)
        ids = self.ids(epoch)[positions % self.num_samples]
        return self.rows_of(ids), np.where(positions < self.num_samples, ids, PADDING)

    def micro_batch(self, epoch: int, step: int, index: int) -> Key:
        """The samples of one micro-batch of a step."""
        rows, ids = self.samples(epoch, step)
        part = slice(index * self.micro_batch_size, (index + 1) * self.micro_batch_size)
        return Key(epoch, step, index, rows[part], ids[part])


def sample_weights(
    sampler: RareLabels | None, tasks: Mapping[str, Task], targets: Mapping[str, Targets]
) -> np.ndarray | None:
    """The weight of each sample, float64 [N] from 1 to `max_weight`; None without a sampler.

    It is (1 / share)^power of the rarest class or label that a sample has; the share is that of the positives among
    the rows where the label is known. A sample without any has weight 1.
    """
    if sampler is None:
        return None
    names = [n for n, task in tasks.items() if task.kind != "regression" and sampler.task in (None, n)]
    shares = np.min([_rarest_share(*targets[name], len(tasks[name].classes)) for name in names], axis=0)
    return np.minimum(shares**-sampler.power, sampler.max_weight)


def _rarest_share(target: np.ndarray, mask: np.ndarray, num_classes: int) -> np.ndarray:
    """The share of each sample's rarest class or label, and 1 where it has none: float64 [N]."""
    if target.ndim == 1:
        counts = np.bincount(target[mask], minlength=num_classes)
        return np.where(mask, (np.maximum(counts, 1) / max(counts.sum(), 1))[target], 1.0)
    positive = (target == 1) & mask
    share = np.maximum(positive.sum(axis=0), 1) / np.maximum(mask.sum(axis=0), 1)
    return np.where(positive, share, 1.0).min(axis=1)
