"""Which rows each step of each epoch sees: a pure function of (seed, epoch, step)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .. import keyed
from .labels import Targets

PADDING = -1


class Key(NamedTuple):
    """One micro-batch. The epoch travels with it, so that a long-lived worker cannot hold a stale one."""

    epoch: int
    step: int
    micro_batch: int
    rows: np.ndarray  # int64 [B], rows of the table whose pictures are read
    ids: np.ndarray  # int64 [B], the samples' numbers in this epoch, or PADDING for one that counts nowhere

    @property
    def draws(self) -> np.ndarray:
        """What augmentation is keyed by: the ids, and rows for padding. int64 [B]."""
        return np.where(self.ids == PADDING, self.rows, self.ids)


class TrainingOrder:
    """Which rows each step of each epoch sees: a seeded permutation, cut into batches and micro-batches.

    The last batch is filled up with the first rows of the permutation, as padding: they pass through
    BatchNorm like any others, but carry no labels and are counted nowhere.

    With `weights` rows are drawn with replacement instead, as many as there are. A sample's id is its row, and
    `num_samples` more each time that the row is drawn again: so every id of an epoch is another one, and a picture
    that comes twice is augmented in two ways.
    """

    def __init__(
        self, num_samples: int, batch_size: int, micro_batch_size: int, seed: int, weights: np.ndarray | None = None
    ) -> None:
        """`weights`: float64 [num_samples], how often a row is drawn beside the others; None: each once."""
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
            self._ids = epoch, self._permutation(epoch) if self._cumulative is None else self._drawn(epoch)
        return self._ids[1]

    def _permutation(self, epoch: int) -> np.ndarray:
        drawn = keyed.words(self.seed, keyed.ORDER, epoch, np.arange(self.num_samples))
        return np.argsort(drawn, kind="stable")

    def _drawn(self, epoch: int) -> np.ndarray:
        """The inverse of the cumulative weights, at keyed uniform numbers."""
        assert self._cumulative is not None
        uniform = keyed.uniforms(1, self.seed, keyed.ORDER, epoch, np.arange(self.num_samples))[:, 0]
        rows = np.searchsorted(self._cumulative, uniform * self._cumulative[-1], side="right")
        rows = np.minimum(rows, self.num_samples - 1)  # rounding may lead a number just below 1 past the end
        by_row = np.argsort(rows, kind="stable")
        first = np.searchsorted(rows[by_row], rows[by_row])  # of the draws of the same row
        earlier = np.empty_like(rows)
        earlier[by_row] = np.arange(self.num_samples) - first
        return rows + earlier * self.num_samples

    def rows_of(self, ids: np.ndarray) -> np.ndarray:
        """The rows of ids, none of which is PADDING."""
        return ids % self.num_samples

    def targets_of(self, epoch: int, ids: np.ndarray, targets: Mapping[str, Targets]) -> dict[str, Targets]:
        """The targets of an epoch's samples; `ids` are all of theirs, rising."""
        assert np.array_equal(ids, np.sort(self.ids(epoch))), "a sample was lost or doubled"
        if self._cumulative is None:
            return dict(targets)
        rows = self.rows_of(ids)
        return {name: Targets(target[rows], mask[rows]) for name, (target, mask) in targets.items()}

    def step(self, epoch: int, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and ids of one optimizer step over all processes, int64 [batch_size] each."""
        places = step * self.batch_size + np.arange(self.batch_size)
        ids = self.ids(epoch)[places % self.num_samples]
        return self.rows_of(ids), np.where(places < self.num_samples, ids, PADDING)

    def micro_batch(self, epoch: int, step: int, index: int) -> Key:
        rows, ids = self.step(epoch, step)
        part = slice(index * self.micro_batch_size, (index + 1) * self.micro_batch_size)
        return Key(epoch, step, index, rows[part], ids[part])
