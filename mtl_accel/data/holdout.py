"""A stratified hold-out: which rows of the training split become the validation split."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence

import numpy as np

from ..errors import UserError


def split(ids: Sequence[str], strata: Sequence[Hashable] | np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """True for the rows of the validation split: bool [N].

    A function of the set of (id, stratum) and of the seed; the order of the rows does not matter. Rows are sorted
    by stratum, then by a keyed hash of their ids, and taken at even distances: the whole count and each
    stratum's are within one of their shares, whatever the number of strata, single rows included.

    Raises:
        UserError: the fraction leaves one of the two splits empty.
    """
    if len(ids) != len(strata):
        raise ValueError(f"{len(ids)} ids but {len(strata)} strata")
    if len(set(ids)) != len(ids):
        raise ValueError("ids are not unique")
    count = round(fraction * len(ids))
    if not 0 < count < len(ids):
        raise UserError(
            f"data.validation_fraction: {fraction} of {len(ids)} training images is {count}, which leaves one of the "
            "two splits empty. Choose another fraction, or give a validation split"
        )
    labels = [repr(stratum) for stratum in (strata.tolist() if isinstance(strata, np.ndarray) else strata)]
    order = sorted(range(len(ids)), key=lambda row: (labels[row], _hash(seed, ids[row])))
    # The k-th position of even steps, started at a place within the first step that the seed draws.
    start = int.from_bytes(_hash(seed, "start")[:6], "big") / 2**48
    positions = np.floor((np.arange(count) + start) * len(ids) / count).astype(np.int64)
    held_out = np.zeros(len(ids), dtype=bool)
    held_out[np.asarray(order)[positions]] = True
    return held_out


def _hash(seed: int, value: str) -> bytes:
    return hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16, key=str(seed).encode()).digest()
