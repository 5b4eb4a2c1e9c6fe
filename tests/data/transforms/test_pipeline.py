"""A list of transforms is cut into what the pixel cache, the loader and the device do."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from augment_cases import pictures
from torchvision_cases import train

from mtl_accel.config import validate
from mtl_accel.config.sections.transforms import CenterCrop, Normalize, Resize
from mtl_accel.core.errors import UserError
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
