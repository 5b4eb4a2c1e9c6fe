"""The search for copies finds all of them at any place, and keeps what looks alike apart."""

from __future__ import annotations

import numpy as np
import pytest

from mtl_accel.preflight.diagnosis import duplicates
from mtl_accel.preflight.diagnosis.duplicates import EXACT, MIRRORED, NEAR, find_duplicates
from mtl_accel.preflight.diagnosis.scan import SIDE, Scan


def clouds(count: int) -> np.ndarray:
    """Thumbnails of coloured clouds: uint8 [N, 16, 16, 3]."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 4, 4, 3))
    return np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2).astype(np.uint8)


def scan_of(thumbnails: np.ndarray, digests: list[bytes] | None = None, broken: tuple[int, ...] = ()) -> Scan:
    size = len(thumbnails)
    return Scan(
        sizes=np.full((size, 2), SIDE, np.int32),
        modes=["RGB"] * size,
        formats=["PNG"] * size,
        digests=digests or [thumbnail.tobytes() for thumbnail in thumbnails],
        deviations=thumbnails.reshape(size, -1).std(axis=1).astype(np.float32),
        thumbnails=thumbnails,
        problems=dict.fromkeys(broken, "broken"),
        missing=frozenset(),
    )


def pairs(scan: Scan) -> set[tuple[int, int, int]]:
    found = find_duplicates(scan)
    return set(zip(found.first.tolist(), found.second.tolist(), found.kind.tolist(), strict=True))


def test_a_near_copy_and_a_mirror_image_are_found_across_the_tiles_of_the_search(monkeypatch) -> None:
    monkeypatch.setattr(duplicates, "_TILE", 7)
    thumbnails = clouds(40)
    thumbnails[33] = thumbnails[2] ^ 1
    thumbnails[20] = thumbnails[6][:, ::-1]
    thumbnails[21] = thumbnails[20] ^ 1
    thumbnails[39] = thumbnails[38]
    expected = {(38, 39, EXACT), (2, 33, NEAR), (20, 21, NEAR), (6, 20, MIRRORED), (6, 21, MIRRORED)}
    assert pairs(scan_of(thumbnails)) == expected


def test_pictures_that_differ_in_colour_alone_are_no_copies() -> None:
    thumbnails = clouds(2)
    thumbnails[1] = thumbnails[0]
    thumbnails[1, :8, :, 0] = np.minimum(thumbnails[1, :8, :, 0].astype(int) + 40, 255)
    thumbnails[1, :8, :, 1] = np.maximum(thumbnails[1, :8, :, 1].astype(int) - 20, 0)
    assert pairs(scan_of(thumbnails)) == set()


def test_broken_and_uniform_pictures_are_never_near_copies() -> None:
    thumbnails = clouds(6)
    thumbnails[:4] = np.array([100, 101, 0, 0], np.uint8)[:, None, None, None]
    digests = [b"a", b"b", b"", b"", b"c", b"d"]
    assert pairs(scan_of(thumbnails, digests, broken=(2, 3))) == set()
    assert pairs(scan_of(thumbnails[:4], digests[:4], broken=(2, 3))) == set()  # no others are left


def test_a_film_of_one_scene_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "MAX_PAIRS", 50)
    monkeypatch.setattr(duplicates, "_TILE", 8)
    thumbnails = np.repeat(clouds(1), 60, axis=0)
    thumbnails[:, 0, 0, 0] = np.arange(60)
    found = find_duplicates(scan_of(thumbnails))
    assert not found.is_complete
    assert 50 < len(found) < 8 * 60
