"""A stratified hold-out: which rows of the training split become the validation split."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from ...core.errors import UserError


def choose_rows(ids: Iterable[str], strata: Sequence[Hashable] | np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Choose the rows of the validation split: bool [N].

    The choice depends on the set of (id, stratum) and on the seed, and not on the order of the rows. Rows are sorted
    by stratum, then by a keyed hash of their ids, and taken at even distances: the total and the count of each stratum
    differ by less than one from their shares, however many strata there are, and even if each has a single row.

    Args:
        ids: of the N rows, unique.
        strata: of the N rows; an array [N] or [N, K] needs no Python object for each row.

    Raises:
        UserError: the fraction leaves one of the two splits empty.
    """
    size = len(strata)
    count = round(fraction * size)
    if not 0 < count < size:
        raise UserError(
            f"data.validation_fraction: {fraction} of {size} training images is {count}, which leaves one of the "
            "two splits empty. Choose another fraction, or give a validation split"
        )
    hashes = bytearray()
    for identifier in ids:
        hashes += _hash(seed, identifier)
    high, low = np.frombuffer(hashes, dtype=">u8").reshape(size, 2).T
    order = np.lexsort((low, high, _ranks(strata)))
    # Positions at even steps; the seed draws where in the first step they start.
    start = int.from_bytes(_hash(seed, "start")[:6], "big") / 2**48
    positions = np.floor((np.arange(count) + start) * size / count).astype(np.int64)
    held_out = np.zeros(size, dtype=bool)
    held_out[order[positions]] = True
    return held_out


def _ranks(strata: Sequence[Hashable] | np.ndarray) -> np.ndarray:
    """Rank of each row's stratum among all strata, which are sorted by their `repr`: int64 [N]."""
    if isinstance(strata, np.ndarray):
        distinct, codes = np.unique(strata, axis=0, return_inverse=True)
        names = [repr(tuple(row) if isinstance(row, list) else row) for row in distinct.tolist()]
    else:
        number = {name: code for code, name in enumerate(dict.fromkeys(map(repr, strata)))}
        names, codes = list(number), np.array([number[repr(stratum)] for stratum in strata])
    ranks = np.empty(len(names), dtype=np.int64)
    ranks[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
    return ranks[codes.reshape(-1)]


def _hash(seed: int, value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16, key=str(seed).encode()).digest()
