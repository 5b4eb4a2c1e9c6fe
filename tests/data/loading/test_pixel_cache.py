"""The pixel cache equals decoding anew, survives kills, and tells what cannot be decoded or stored."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from loading_cases import TRANSFORMS, pixels_of, split_of
from PIL import Image

from mtl_accel.config.sections.transforms import Resize
from mtl_accel.core.errors import UserError
from mtl_accel.data.loading import pixel_cache
from mtl_accel.data.loading.pixels import DecodedPixels, DevicePixels, StoredPixels

BUILD = """
import hashlib, sys
from pathlib import Path
import datasets
from loading_cases import pixels_of
from mtl_accel.config.sections.transforms import Resize
transforms = (Resize(name="Resize", size=(32, 32)),)
print("starting", flush=True)
stored = pixels_of(datasets.load_from_disk(sys.argv[1]), Path(sys.argv[2]), transforms=transforms)
print(hashlib.sha256(stored.array.tobytes()).hexdigest(), flush=True)
"""
LARGE = (Resize(name="Resize", size=(32, 32)),)
NUM_LARGE = 240
ALL = np.arange


def files_in(folder: Path) -> set[str]:
    """What the cache holds, besides locks."""
    return {path.name for path in folder.rglob("*") if path.suffix != ".lock"}


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_cache_equals_decoding_anew_to_the_bit(tmp_path, num_workers):
    split = split_of(300)  # enough rows for several processes
    stored = pixels_of(split, tmp_path, num_workers=num_workers)
    anew = pixels_of(split, tmp_path, cache="none")
    assert isinstance(stored, StoredPixels) and isinstance(anew, DecodedPixels)
    assert len(stored) == len(anew) == 300
    rows = np.array([299, 3, 3, 0, 77])
    assert stored.read(rows).shape == (5, 3, 6, 5) and stored.read(rows).dtype == torch.uint8
    assert torch.equal(stored.read(rows), anew.read(rows))
    assert torch.equal(stored.read(ALL(300)), anew.read(ALL(300)))
    sent = pickle.dumps(stored)  # to a worker that is no fork
    assert len(sent) < 1000 and torch.equal(pickle.loads(sent).read(ALL(300)), stored.read(ALL(300)))


def test_a_second_opening_reads_the_file_that_is_there(tmp_path):
    first = pixels_of(split_of(9), tmp_path)
    before = first.path.stat()
    second = pixels_of(split_of(9), tmp_path)
    assert (second.path, second.path.stat().st_mtime_ns) == (first.path, before.st_mtime_ns)
    assert second.path.stat().st_ino == before.st_ino and files_in(tmp_path) == {first.path.parent.name, "pixels.uint8"}


def test_other_transforms_another_fingerprint_or_set_of_rows_makes_another_file(tmp_path):
    split = split_of(9)
    paths = [
        pixels_of(split, tmp_path).path,
        pixels_of(split, tmp_path, fingerprint="g").path,
        pixels_of(split, tmp_path, transforms=TRANSFORMS[:1]).path,
        pixels_of(split, tmp_path, transforms=(TRANSFORMS[0].model_copy(update={"size": (7, 8)}), TRANSFORMS[1])).path,
        pixels_of(
            split, tmp_path, transforms=(TRANSFORMS[0].model_copy(update={"interpolation": "nearest"}), TRANSFORMS[1])
        ).path,
        pixels_of(split.select(range(8)), tmp_path).path,
        pixels_of(split.select(range(8, -1, -1)), tmp_path).path,
        pixels_of(split_of(9, first=1), tmp_path).path,
        pixels_of(split, tmp_path, name="validation").path,
    ]
    assert len(set(paths)) == len(paths)


def large_split(folder: Path) -> datasets.Dataset:
    """Pictures that take some milliseconds each to decode, saved for other processes."""
    numbers, files = np.random.default_rng(0), []
    for _ in range(4):
        file = io.BytesIO()
        Image.fromarray(numbers.integers(0, 256, (500, 500, 3), np.uint8)).save(file, "png", compress_level=1)
        files.append(file.getvalue())
    rows = {
        "id": [str(row) for row in range(NUM_LARGE)],
        "image": [{"bytes": files[row % 4], "path": None} for row in range(NUM_LARGE)],
    }
    features = datasets.Features({"id": datasets.Value("string"), "image": datasets.Image(decode=False)})
    split = datasets.Dataset.from_dict(rows, features=features)
    split.save_to_disk(folder)
    return datasets.load_from_disk(str(folder))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    return folder, large_split(folder)


def start_building(saved: Path, folder: Path) -> subprocess.Popen:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", BUILD, str(saved), str(folder)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def rows_done(folder: Path) -> np.ndarray:
    (path,) = [*folder.glob("*.partial/done.uint8")] or [None]
    return np.fromfile(path, np.uint8) if path else np.empty(0, np.uint8)


def test_a_killed_build_goes_on_where_it_was_and_drew_no_bar_into_a_pipe(saved, tmp_path):
    source, split = saved
    process = start_building(source, tmp_path)
    end = time.monotonic() + 120
    while rows_done(tmp_path).sum() < 10:
        assert process.poll() is None and time.monotonic() < end, process.communicate()
    process.kill()
    assert process.communicate() == ("starting\n", "")
    done = np.flatnonzero(rows_done(tmp_path))
    assert 10 <= len(done) < NUM_LARGE and not (tmp_path / "pixels.uint8").exists()
    (partial,) = tmp_path.glob("*.partial/pixels.uint8")
    marked = np.memmap(partial, np.uint8, "r+", shape=(NUM_LARGE, 3, 32, 32))
    marked[done[0]] = 7  # a done row that is decoded again would lose this
    stored = pixels_of(split, tmp_path, transforms=LARGE)
    expected = pixels_of(split, tmp_path, transforms=LARGE, cache="none").read(ALL(NUM_LARGE))
    assert (stored.array[done[0]] == 7).all()
    expected[done[0]] = 7
    assert torch.equal(stored.read(ALL(NUM_LARGE)), expected)
    assert files_in(tmp_path) == {stored.path.parent.name, "pixels.uint8"}


def test_two_processes_at_once_make_one_file(saved, tmp_path):
    source, split = saved
    other = start_building(source, tmp_path)
    assert other.stdout is not None and other.stdout.readline() == "starting\n"
    here = pixels_of(split, tmp_path, transforms=LARGE)
    output, errors = other.communicate(timeout=120)
    assert (other.returncode, errors) == (0, "")
    assert output.strip() == hashlib.sha256(here.array.tobytes()).hexdigest()
    assert files_in(tmp_path) == {here.path.parent.name, "pixels.uint8"}
    assert torch.equal(here.read(ALL(8)), pixels_of(split, tmp_path, transforms=LARGE, cache="none").read(ALL(8)))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_pictures_that_cannot_be_decoded_are_named_all_at_once_and_nothing_is_left(tmp_path, num_workers):
    split = split_of(300, broken=frozenset({2, 150, 299}))
    with pytest.raises(UserError) as caught:
        pixels_of(split, tmp_path, num_workers=num_workers)
    named = sorted(problem.partition(":")[0] for problem in caught.value.problems)
    assert named == ["train, id 150", "train, id 2", "train, id 299"]
    assert not files_in(tmp_path)
    repaired = split_of(300)
    anew = pixels_of(repaired, tmp_path, cache="none")
    assert torch.equal(pixels_of(repaired, tmp_path).read(ALL(300)), anew.read(ALL(300)))


def test_a_long_list_of_broken_pictures_is_cut_with_a_count(tmp_path):
    with pytest.raises(UserError) as caught:
        pixels_of(split_of(30, broken=frozenset(range(25))), tmp_path)
    assert len(caught.value.problems) == 21 and "5 more pictures" in caught.value.problems[-1]


def test_too_little_disk_is_told_before_anything_is_decoded(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 500))
    with pytest.raises(UserError, match=r"pictures of train need 810 bytes and 500 are free.*data\.cache_dir"):
        pixels_of(split_of(9), tmp_path)
    assert not files_in(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 9 * 3 * 6 * 5))
    assert len(pixels_of(split_of(9), tmp_path)) == 9


def test_pictures_on_the_device_equal_those_on_disk(tmp_path):
    stored, resident = pixels_of(split_of(9), tmp_path), pixels_of(split_of(9), tmp_path, cache="device")
    assert isinstance(resident, DevicePixels) and len(resident) == 9
    rows = np.array([8, 0, 0, 5])
    assert torch.equal(resident.read(rows), stored.read(rows))


def test_where_the_device_has_too_little_memory_the_disk_serves_with_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(pixel_cache, "available_bytes", lambda: 10 * 4096)
    large = (Resize(name="Resize", size=(500, 500)),)
    with caplog.at_level(logging.WARNING, logger=pixel_cache.__name__):
        found = pixels_of(split_of(40), tmp_path, cache="device", transforms=large)
    assert isinstance(found, StoredPixels)
    (record,) = caplog.records
    assert "train needs 30,000,000 bytes and cpu has 20,480 free; reading from disk" in record.getMessage()


@pytest.mark.parametrize("kept", [0, 100])
def test_a_file_that_was_cut_short_is_built_anew(tmp_path, kept, caplog):
    split = split_of(9)
    whole = pixels_of(split, tmp_path).read(ALL(9))
    (path,) = tmp_path.glob("train-*/pixels.uint8")
    os.truncate(path, kept)
    assert torch.equal(pixels_of(split, tmp_path).read(ALL(9)), whole)
    assert f"{path} was cut short and is built anew" in caplog.text
    caplog.clear()
    assert torch.equal(pixels_of(split, tmp_path).read(ALL(9)), whole) and not caplog.text


def test_an_unfinished_file_that_was_cut_short_is_begun_anew(tmp_path):
    split = split_of(9)
    whole = pixels_of(split, tmp_path).read(ALL(9))
    (final,) = tmp_path.glob("train-*6x5*[!k]")
    os.truncate(final / "pixels.uint8", 100)
    (final / "done.uint8").write_bytes(b"\1" * 9)
    final.rename(f"{final}.partial")
    assert torch.equal(pixels_of(split, tmp_path).read(ALL(9)), whole)


def test_a_folder_that_cannot_be_written_is_an_error_with_the_fix(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cache folder .*file/pixels of the decoded pictures: .*set data.cache_dir"):
        pixels_of(split_of(3), tmp_path / "file" / "pixels")
