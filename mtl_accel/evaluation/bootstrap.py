"""Intervals by the bootstrap: the rows of a split are resampled a thousand times, and scored as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ..core import rng

RESAMPLES, CONFIDENCE = 1000, 0.95
_MAX_CELLS = 1 << 17  # of one array of weights: larger ones do not fit the processor's cache


def resample_weights(num_rows: int, seed: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Yield how often each row was drawn, for some resamples at a time: float64 [R, N].

    A resample draws as many rows as there are, with replacement, by a key of the seed and the number of the resample.
    """
    step = max(_MAX_CELLS // num_rows, 1)
    for first in range(0, resamples, step):
        numbers = np.arange(first, min(first + step, resamples))[:, None]
        drawn = rng.random_bits(seed, rng.RESAMPLES, numbers, np.arange(num_rows)) % np.uint64(num_rows)
        places = drawn.astype(np.int64) + (numbers - first) * num_rows
        counted = np.bincount(places.ravel(), minlength=len(numbers) * num_rows)
        yield counted.reshape(len(numbers), num_rows).astype(np.float64)


def intervals(
    measure: Callable[[np.ndarray], dict[str, np.ndarray]], num_rows: int, seed: int, resamples: int = RESAMPLES
) -> dict[str, np.ndarray]:
    """Percentile interval of each value: [..., 2], lower and upper end; NaN where no resample has the value.

    Args:
        measure: function of weights [R, N] that returns values by name, [R] or [R, C].
    """
    parts = [measure(drawn) for drawn in resample_weights(num_rows, seed, resamples)]
    return {name: _interval(np.concatenate([part[name] for part in parts])) for name in parts[0]}


def _interval(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1)
    ends = np.full((flat.shape[1], 2), np.nan)
    known = ~np.isnan(flat).all(axis=0)
    tail = (1 - CONFIDENCE) / 2
    ends[known] = np.nanquantile(flat[:, known], [tail, 1 - tail], axis=0).T.reshape(-1, 2)
    return ends.reshape(*values.shape[1:], 2)
