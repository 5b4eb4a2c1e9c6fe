"""A list of transforms is cut into what the pixel cache, the loader and the device do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from augment_cases import pictures
from pydantic import TypeAdapter
from torchvision.transforms import v2
from torchvision_cases import train

from mtl_accel.config import validate
from mtl_accel.config.sections.transforms import CenterCrop, Normalize, Pad, RequireSize, Resize, Transform
from mtl_accel.core.errors import UserError
from mtl_accel.data.transforms.augment import Augmentation
from mtl_accel.data.transforms.pipeline import ImagePipeline

MIDDLE, FLIP = {"name": "CenterCrop", "size": [12, 9]}, {"name": "RandomHorizontalFlip"}
ROTATION, CROP = {"name": "RandomRotation", "degrees": [-90, 40]}, {"name": "RandomResizedCrop", "size": [14, 11]}
RGB, RANDOM_CROP = {"name": "RGB"}, {"name": "RandomCrop", "size": 9}


def test_the_cached_part_ends_before_the_first_random_transform() -> None:
    pipeline = ImagePipeline.from_transforms(train(MIDDLE, ROTATION, MIDDLE))
    assert pipeline.cached == (Resize(name="Resize", size=(16, 20)), CenterCrop(name="CenterCrop", size=(12, 9)))
    assert list(pipeline.batched.operations) == [2, 3, 4]


def test_without_torchvision_s_own_transforms_nothing_is_done_per_sample() -> None:
    assert ImagePipeline.from_transforms(train(FLIP, ROTATION)).per_sample is None


def test_transforms_behind_the_last_of_torchvision_are_left_for_the_device() -> None:
    pipeline = ImagePipeline.from_transforms(train(FLIP, RGB, RANDOM_CROP, ROTATION, CROP))
    assert pipeline.per_sample is not None
    assert (list(pipeline.per_sample.stages), pipeline.per_sample.names) == ([1, 2, 3], ["RGB", "RandomCrop"])
    assert list(pipeline.batched.operations) == [4, 5, 6]


@pytest.mark.parametrize("before", [[], [MIDDLE], [RGB], [MIDDLE, RGB, RANDOM_CROP]])
@pytest.mark.parametrize("behind", [[], [CROP], [ROTATION, CROP]])
def test_pictures_have_the_announced_sizes(before: list[dict], behind: list[dict]) -> None:
    pipeline = ImagePipeline.from_transforms(train(*before, *behind))
    images, ids = pictures(3, *pipeline.cached_size), np.arange(3)
    assert pipeline.cached_size == ((12, 9) if MIDDLE in before else (16, 20))
    if pipeline.per_sample is not None:
        images = pipeline.per_sample(images, ids, epoch=0)
    assert pipeline.batched(images, ids).shape == (3, 3, *pipeline.model_input_size)


def test_a_crop_larger_than_what_torchvision_leaves_is_an_error_of_its_place() -> None:
    with pytest.raises(UserError, match=r"transforms\.train\.3\.size: a crop of \[12, 9\] .* \[9, 9\] before it"):
        ImagePipeline.from_transforms(train(RANDOM_CROP, FLIP, MIDDLE))


@pytest.mark.parametrize("path", sorted(Path("configs").glob("v*.json")), ids=lambda path: path.stem)
def test_evaluation_caches_all_but_the_normalisation(path: Path) -> None:
    config = validate(json.loads(path.read_text(encoding="utf-8")), path.stem)
    pipeline = ImagePipeline.from_transforms(config.transforms.eval)
    assert (*pipeline.cached, pipeline.normalize) == config.transforms.eval
    assert isinstance(pipeline.normalize, Normalize) and pipeline.cached_size == pipeline.model_input_size
    assert not pipeline.batched.is_random and torch.is_floating_point(
        pipeline.batched(pictures(1, *pipeline.cached_size))
    )


KEEP, RANDOM = {"name": "Resize", "size": 16}, [FLIP, {"name": "ColorJitter", "hue": 0.1}, CROP, ROTATION]
SEVERAL = [(16, 16), (16, 20), (23, 16)]


def listed(*transforms: dict) -> tuple[Transform, ...]:
    return TypeAdapter(tuple[Transform, ...]).validate_python([*transforms, {"name": "Normalize"}])


def test_what_brings_pictures_to_one_size_runs_on_each_as_it_does_in_a_batch_to_the_bit() -> None:
    made = listed(KEEP, *RANDOM)
    pipeline = ImagePipeline.from_transforms(made, seed=4)
    assert pipeline.cached_size is None and pipeline.per_sample is not None
    assert pipeline.per_sample.names == ["RandomHorizontalFlip", "ColorJitter", "RandomResizedCrop"]
    assert list(pipeline.batched.operations) == [4, 5] and pipeline.model_input_size == (14, 11)
    images, ids = [pictures(1, *size)[0] for size in SEVERAL], np.array([5, 9, 2])
    done = pipeline.per_sample(images, ids, epoch=3)
    assert done.shape == (3, 3, 14, 11)
    for image, identifier, found in zip(images, ids, done, strict=True):
        alone = Augmentation(dict(enumerate(made[1:4], 1)), (image.shape[1], image.shape[2]), seed=4)
        assert torch.equal(alone(image[None], np.array([identifier]), epoch=3)[0], found)


def test_torchvision_s_transforms_take_pictures_of_several_sizes_before_a_crop() -> None:
    pipeline = ImagePipeline.from_transforms(
        listed(KEEP, {"name": "GaussianBlur", "kernel_size": 3}, FLIP, RANDOM_CROP)
    )
    assert pipeline.per_sample is not None and pipeline.per_sample.output_size == (9, 9)
    assert pipeline.per_sample([pictures(1, *size)[0] for size in SEVERAL], np.arange(3), epoch=0).shape == (3, 3, 9, 9)


@pytest.mark.parametrize("behind", [[], [RGB], [{"name": "GaussianBlur", "kernel_size": 3}, FLIP]])
def test_pictures_that_keep_several_sizes_are_an_error_before_anything_is_read(behind: list[dict]) -> None:
    with pytest.raises(UserError, match=r"transforms\.train.*several sizes, and a batch has one; put a CenterCrop"):
        ImagePipeline.from_transforms(listed(KEEP, *behind))


def test_without_a_first_resize_pictures_must_have_the_size_of_the_source() -> None:
    pad = {"name": "Pad", "padding": [1, 2]}
    pipeline = ImagePipeline.from_transforms(listed(pad, FLIP, CROP), source_size=(16, 20))
    assert pipeline.cached == (RequireSize(name="RequireSize", size=(16, 20)), Pad(name="Pad", padding=(1, 2)))
    assert pipeline.cached_size == (20, 22) and list(pipeline.batched.operations) == [1, 2, 3]
    with pytest.raises(UserError, match=r"transforms\.1: padding_mode 'reflect' mirrors at most 15 rows"):
        reflect = {"name": "Pad", "padding": 18, "padding_mode": "reflect"}
        ImagePipeline.from_transforms(listed(FLIP, reflect), source_size=(16, 20))


@pytest.mark.parametrize("name", ["FiveCrop", "TenCrop"])
@pytest.mark.parametrize("first", [KEEP, {"name": "Resize", "size": [16, 21]}])
def test_crops_are_torchvision_s_from_pictures_of_one_size_and_of_several(name: str, first: dict) -> None:
    crops = {"name": name, "size": [12, 9]}
    pipeline = ImagePipeline.from_transforms(listed(first, crops))
    is_fixed = first is not KEEP
    assert (pipeline.per_sample is None) == is_fixed and pipeline.model_input_size == (12, 9)
    count = 10 if name == "TenCrop" else 5
    assert pipeline.loaded_shape == ((3, 16, 21) if is_fixed else (count, 3, 12, 9))
    images = [pictures(1, *size)[0] for size in ([(16, 21)] * 3 if is_fixed else SEVERAL)]
    loaded = torch.stack(images) if pipeline.per_sample is None else pipeline.per_sample(images, np.arange(3), 0)
    views = pipeline.views(loaded)
    for row, image in enumerate(images):
        expected = getattr(v2, name)([12, 9])(image)
        assert len(views) == len(expected) == count
        assert all(torch.equal(view[row], crop) for view, crop in zip(views, expected, strict=True))
    assert pipeline.fixed == listed(first, crops)
