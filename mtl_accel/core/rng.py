"""Random numbers that are a pure function of their key, so that no random state is ever kept or saved.

Every random choice of a run is drawn from a key such as (seed, AUGMENT, epoch, sample id, operation). Who
asks, in which order, on which process and after how many restarts cannot change the answer.
"""

from __future__ import annotations

import numpy as np

# What a number is drawn for. The streams of one seed must not meet, so each purpose has its own first word.
ORDER, AUGMENT, MODULE, INITIAL, HOLDOUT, FOLDS, RESAMPLES, SEARCH, MIX, BALANCE = range(1, 11)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def _scramble(word: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea and Flood, 2014): flips each output bit half of the time."""
    word = (word ^ (word >> np.uint64(30))) * _FIRST
    word = (word ^ (word >> np.uint64(27))) * _SECOND
    return word ^ (word >> np.uint64(31))


def random_bits(*key: int | np.ndarray) -> np.ndarray:
    """64 random bits for a key. Integer arrays in the key broadcast: one number for each of their elements."""
    parts = np.broadcast_arrays(*(np.asarray(part, dtype=np.int64).astype(np.uint64) for part in key))
    word = np.full(parts[0].shape, _GOLDEN, dtype=np.uint64)
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2**64, of which numpy warns for single numbers
        for part in parts:
            word = _scramble((word ^ _scramble(part + _GOLDEN)) + _GOLDEN)
    return word


def seed_of(*key: int) -> int:
    """A seed in [0, 2**63) for torch's generators."""
    return int(random_bits(*key)) >> 1


def uniforms(count: int, *key: int | np.ndarray) -> np.ndarray:
    """`count` float64 numbers in [0, 1) for each element of the key: [*key shape, count]."""
    expanded = (np.asarray(part)[..., None] for part in key)
    bits = random_bits(*expanded, np.arange(count))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
