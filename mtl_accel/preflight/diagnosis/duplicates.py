"""Finds pictures that are the same, nearly the same, or mirror images of one another.

Two pictures are the same if their decoded pixels are. For the rest, a picture is described by its grey values at 8 x 8
pixels, less their mean and of length 1; candidates are pairs with a correlation of at least `MIN_CORRELATION`, all of
which are found by products of matrices, as no index over so many dimensions would be faster at 100,000 pictures. A
candidate is confirmed where the thumbnails differ little in grey at 16 x 16 pixels and in colour at 4 x 4, which
compression and scaling leave nearly as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .scan import Scan

MIN_CORRELATION = 0.98
MAX_GREY_DIFFERENCE = 6.0  # root mean square, of 255
MAX_COLOUR_DIFFERENCE = 4.0
MIN_DEVIATION = 4.0  # grey values; pictures with less structure are all alike
EXACT, NEAR, MIRRORED = range(3)
KINDS = ("the same pixels", "nearly the same", "mirrored")
MAX_PAIRS = 200_000  # near pairs that are kept; a film of still frames would have billions
_TILE = 2048  # pictures; two tiles' correlations take 16 MB
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's mode L
_CHROMA = np.array([[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)


class Duplicates(NamedTuple):
    """Pairs of rows, each with `first` < `second`, ordered by kind and difference.

    Of k equal pictures there are k - 1 pairs, each with the first one of them; only that one is compared further.

    first, second: int64 [P]. kind: int8 [P], EXACT, NEAR or MIRRORED. difference: float32 [P], root mean square of the
    grey values at 16 x 16 pixels. is_complete: false where there are more than MAX_PAIRS near ones.
    """

    first: np.ndarray
    second: np.ndarray
    kind: np.ndarray
    difference: np.ndarray
    is_complete: bool = True

    def select(self, chosen: np.ndarray) -> Duplicates:
        """Some of the pairs: a mask or indices."""
        first, second, kind, difference = (column[chosen] for column in self[:4])
        return Duplicates(first, second, kind, difference, self.is_complete)

    def __len__(self) -> int:
        return len(self.first)


def find_duplicates(scan: Scan) -> Duplicates:
    """Find all pairs among the pictures that could be decoded."""
    firsts: dict[bytes, int] = {}
    exact = []
    for row in scan.decoded.tolist():
        first = firsts.setdefault(scan.digests[row], row)
        if first != row:
            exact.append((first, row))
    rows = np.array([row for row in firsts.values() if scan.deviations[row] >= MIN_DEVIATION], np.int64)
    near, is_complete = _near_pairs(scan.thumbnails[rows].astype(np.float32))
    pairs = np.array([(*pair, EXACT, 0.0) for pair in exact], np.float64).reshape(-1, 4)
    near[:, :2] = rows[near[:, :2].astype(np.int64)]
    pairs = np.concatenate([pairs, near])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0], pairs[:, 3], pairs[:, 2]))]
    first, second = pairs[:, :2].astype(np.int64).T
    return Duplicates(first, second, pairs[:, 2].astype(np.int8), pairs[:, 3].astype(np.float32), is_complete)


def _near_pairs(thumbnails: np.ndarray) -> tuple[np.ndarray, bool]:
    """Near and mirrored pairs of thumbnails, float32 [N, 16, 16, 3]: float64 [P, 4] of first, second, kind, difference.

    A pair that is both is only near.
    """
    described, mirrored = _describe(thumbnails), _describe(thumbnails[:, :, ::-1])
    grey, colour = _grey(thumbnails), _pooled(thumbnails, 4) @ _CHROMA.T
    found: dict[tuple[int, int], tuple[int, float]] = {}
    for kind, candidates in ((NEAR, _candidates(described, described)), (MIRRORED, _candidates(described, mirrored))):
        for first, second in candidates:
            flip = slice(None, None, -1) if kind == MIRRORED else slice(None)
            difference = _rms(grey[first] - grey[second][:, :, flip])
            chroma = _rms(colour[first] - colour[second][:, :, flip])
            same = np.flatnonzero((difference < MAX_GREY_DIFFERENCE) & (chroma < MAX_COLOUR_DIFFERENCE))
            for at in same.tolist():
                found.setdefault((int(first[at]), int(second[at])), (kind, float(difference[at])))
            if len(found) > MAX_PAIRS:
                break
    rows = [(*pair, *what) for pair, what in found.items()]
    return np.array(rows, np.float64).reshape(-1, 4), len(found) <= MAX_PAIRS


def _candidates(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs first < second whose rows correlate: int64 [K] twice, tile by tile. left, right: float32 [N, 64]."""
    for start in range(0, len(left), _TILE):
        for other in range(start, len(left), _TILE):
            correlations = left[start : start + _TILE] @ right[other : other + _TILE].T
            first, second = np.nonzero(correlations >= MIN_CORRELATION)
            first, second = first + start, second + other
            ordered = first < second
            if ordered.any():
                yield first[ordered], second[ordered]


def _describe(thumbnails: np.ndarray) -> np.ndarray:
    """Grey values at 8 x 8 pixels, less their mean and of length 1: float32 [N, 64]."""
    values = (_pooled(thumbnails, 8) @ _GREY).reshape(-1, 8 * 8)
    values = values - values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _grey(thumbnails: np.ndarray) -> np.ndarray:
    return thumbnails @ _GREY


def _pooled(thumbnails: np.ndarray, side: int) -> np.ndarray:
    """Means of blocks: float32 [N, side, side, 3]."""
    block = thumbnails.shape[1] // side
    return thumbnails.reshape(len(thumbnails), side, block, side, block, 3).mean(axis=(2, 4))


def _rms(difference: np.ndarray) -> np.ndarray:
    """Root mean square of each row: float32 [K]."""
    return np.sqrt(np.square(difference).reshape(len(difference), -1).mean(axis=1))
