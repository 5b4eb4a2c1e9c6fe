"""Pictures of several sizes in the pixel cache: equal to decoding anew, also after a kill, and brought to one size."""

from __future__ import annotations

import logging
import os
import pickle

import numpy as np
import pytest
import torch
from loading_cases import TRANSFORMS, pixels_of, split_of
from pydantic import TypeAdapter

from mtl_accel.config.sections.transforms import CenterCrop, RequireSize, Resize, Transform
from mtl_accel.core.errors import UserError
from mtl_accel.data.loading import pixel_cache, pixel_files
from mtl_accel.data.loading.loader import Batch, MicroBatches
from mtl_accel.data.loading.pixels import DecodedPixels, StoredPixels, StoredRaggedPixels
from mtl_accel.data.loading.sampler import Key
from mtl_accel.data.transforms.pipeline import ImagePipeline

KEEP = (Resize(name="Resize", size=7),)
ROWS = np.array([299, 3, 3, 0, 77])


def equal(found, expected) -> bool:
    return len(found) == len(expected) and all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_cache_of_several_sizes_equals_decoding_anew_to_the_bit(tmp_path, num_workers: int) -> None:
    split = split_of(300)
    stored = pixels_of(split, tmp_path, transforms=KEEP, num_workers=num_workers)
    anew = pixels_of(split, tmp_path, transforms=KEEP, cache="none")
    assert isinstance(stored, StoredRaggedPixels) and isinstance(anew, DecodedPixels)
    sent = pickle.dumps(stored)  # to a worker that is no fork
    assert len(sent) < 1000 + stored.index.nbytes and equal(pickle.loads(sent).read(ROWS), stored.read(ROWS))
    assert len(stored) == 300 and not stored.decodes
    found = stored.read(ROWS)
    assert {tuple(image.shape) for image in found} == {(3, 7, 7), (3, 7, 9)}  # of 10 and 8 rows of 11
    assert equal(found, anew.read(ROWS)) and equal(stored.read(np.arange(300)), anew.read(np.arange(300)))
    again = pixels_of(split, tmp_path, transforms=KEEP)
    assert isinstance(again, StoredRaggedPixels) and again.folder == stored.folder and equal(again.read(ROWS), found)


def test_a_build_that_was_killed_goes_on_behind_the_last_whole_picture(tmp_path, monkeypatch) -> None:
    split = split_of(20)
    real, calls = pixel_cache.decode_and_transform, []

    def dies(value, place, transforms):
        calls.append(place)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return real(value, place, transforms)

    monkeypatch.setattr(pixel_cache, "decode_and_transform", dies)
    with pytest.raises(KeyboardInterrupt):
        pixels_of(split, tmp_path, transforms=KEEP)
    (index,) = tmp_path.glob("*.partial/index-*.int64")
    os.truncate(index, index.stat().st_size - 5)  # the kill came in the middle of a record
    monkeypatch.undo()
    stored = pixels_of(split, tmp_path, transforms=KEEP)
    anew = pixels_of(split, tmp_path, transforms=KEEP, cache="none")
    assert equal(stored.read(np.arange(20)), anew.read(np.arange(20)))
    assert isinstance(stored, StoredRaggedPixels)
    assert sorted(path.name.partition("-")[0] for path in stored.folder.iterdir()) == ["index.npy", "pixels"]


@pytest.mark.parametrize("transforms", [TRANSFORMS, KEEP])
def test_a_file_that_is_not_whole_is_made_again_with_a_line_in_the_log(tmp_path, caplog, transforms) -> None:
    split = split_of(9)
    expected = list(pixels_of(split, tmp_path, transforms=transforms).read(np.arange(9)))
    (path,) = tmp_path.glob("*/pixels*.uint8")
    os.truncate(path, path.stat().st_size - 1)
    with caplog.at_level(logging.WARNING, logger=pixel_cache.__name__):
        again = pixels_of(split, tmp_path, transforms=transforms)
    assert equal(list(again.read(np.arange(9))), expected)
    (record,) = caplog.records
    assert "was cut short and is built anew" in record.getMessage()


@pytest.mark.parametrize("num_workers", [0, 2])
def test_pictures_of_another_size_are_told_in_one_problem_with_the_sizes_that_there_are(tmp_path, num_workers) -> None:
    split = split_of(300, broken=frozenset({5}))  # of 8, 9 and 10 rows in turn
    with pytest.raises(UserError) as caught:
        pixels_of(split, tmp_path, transforms=(RequireSize(name="RequireSize", size=(8, 11)),), num_workers=num_workers)
    broken, sizes = caught.value.problems
    assert "id 5:" in broken
    for part in (
        "[8, 11]",
        "199 of the 300 of train",
        "[9, 11] (100 pictures, the first: id ",
        "[10, 11] (99 pictures",
    ):
        assert part in sizes
    assert "put Resize first" in sizes and not list(tmp_path.glob("*/pixels*"))


def test_a_crop_that_is_larger_than_some_pictures_names_these(tmp_path) -> None:
    crop = (CenterCrop(name="CenterCrop", size=(9, 9)),)
    with pytest.raises(UserError) as caught:
        pixels_of(split_of(9), tmp_path, transforms=crop)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [f"train, id {row}" for row in (0, 3, 6)]
    assert "CenterCrop of [9, 9] is larger than the picture of [8, 11]" in caught.value.problems[0]


def test_a_full_disk_is_told_and_the_pictures_that_are_there_stay(tmp_path, monkeypatch) -> None:
    real, written = pixel_files._write_all, []

    def fills(file, content) -> None:
        written.append(len(content))
        if len(written) == 8:
            raise OSError(28, "No space left on device")
        real(file, content)

    monkeypatch.setattr(pixel_files, "_write_all", fills)
    with pytest.raises(UserError, match="full"):
        pixels_of(split_of(9), tmp_path, transforms=KEEP)
    monkeypatch.undo()
    anew = pixels_of(split_of(9), tmp_path, transforms=KEEP, cache="none")
    assert equal(pixels_of(split_of(9), tmp_path, transforms=KEEP).read(np.arange(9)), anew.read(np.arange(9)))


def test_pictures_of_one_size_keep_the_file_that_earlier_versions_made(tmp_path) -> None:
    stored = pixels_of(split_of(9), tmp_path)
    assert isinstance(stored, StoredPixels) and stored.path.parent.name == "train-6x5-42ebd3d5b33dabd0b025adda"


@pytest.mark.parametrize("cache", ["disk", "none", "device"])
def test_a_batch_of_pictures_of_several_sizes_has_one_and_is_the_same_from_any_cache(tmp_path, cache: str) -> None:
    listed = [{"name": "Resize", "size": 7}, {"name": "RandomHorizontalFlip"}, {"name": "RandomCrop", "size": 6}]
    made = TypeAdapter(tuple[Transform, ...]).validate_python([*listed, {"name": "Normalize"}])
    pipeline, split = ImagePipeline.from_transforms(made, seed=3), split_of(12)
    assert pipeline.cached == KEEP and pipeline.cached_size is None
    rows = np.array([7, 2, 2, 0])
    key = Key(1, 0, 0, rows, np.array([7, 2, 14, 0]))
    batch = MicroBatches(pixels_of(split, tmp_path, transforms=KEEP, cache=cache), {}, pipeline.per_sample)[key]
    assert isinstance(batch, Batch) and batch.images.shape == (4, 3, 6, 6) and batch.images.dtype == torch.uint8
    assert not torch.equal(batch.images[1], batch.images[2])  # drawn twice, augmented in two ways
    for row, identifier, image in zip(rows, key.ids, batch.images, strict=True):
        (alone,) = pixels_of(split.select([row]), tmp_path, transforms=KEEP, cache="none").read(np.array([0]))
        assert pipeline.per_sample is not None
        assert torch.equal(pipeline.per_sample([alone], np.array([identifier]), 1)[0], image)
