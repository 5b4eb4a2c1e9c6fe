"""Small arguments for each of torchvision's transforms that a config may name, for tests that walk the names."""

from __future__ import annotations

from typing import get_args

import torch
from pydantic import TypeAdapter

from mtl_accel.config.sections.torchvision_names import TorchvisionName
from mtl_accel.config.sections.transforms import Transform
from mtl_accel.data.transforms.per_sample import PerSample
from mtl_accel.data.transforms.pipeline import ImagePipeline

NAMES = get_args(TorchvisionName)
ON_REQUEST = ("AutoAugment", "RandAugment", "TrivialAugmentWide")  # batched, unless a config says otherwise
# Where torchvision's defaults do not do: the arguments that have none, and probabilities.
ARGUMENTS: dict[str, dict] = {
    **{name: {"batched": False} for name in ON_REQUEST},
    "ElasticTransform": {"sigma": 1.0},
    "GaussianBlur": {"kernel_size": 3},
    "Grayscale": {"num_output_channels": 3},
    "JPEG": {"quality": [5, 50]},
    "RandomAdjustSharpness": {"sharpness_factor": 3},
    "RandomAffine": {"degrees": [-90, 90], "interpolation": "bilinear"},
    "RandomCrop": {"size": [14, 16]},
    "RandomPosterize": {"bits": 1},
    "RandomResize": {"min_size": 14, "max_size": 25},
    "RandomShortestSize": {"min_size": [9, 14, 20]},
    "RandomSolarize": {"threshold": 0.5},
    "ScaleJitter": {"target_size": [16, 20], "scale_range": [0.5, 2]},
}
FIXED = {"Grayscale", "Identity", "RGB"}  # not random
VARYING = {"RandomResize", "RandomShortestSize", "RandomZoomOut", "ScaleJitter"}  # pictures of several sizes
ONLY_UINT8 = {"JPEG"}


def train(*transforms: dict, size: tuple[int, int] = (16, 20)) -> tuple[Transform, ...]:
    """A list of the config's, from Resize to Normalize."""
    listed = [{"name": "Resize", "size": size}, *transforms, {"name": "Normalize"}]
    return TypeAdapter(tuple[Transform, ...]).validate_python(listed)


def case(name: str) -> list[dict]:
    """A transform, and a crop behind it where its pictures have several sizes."""
    crop = {"name": "RandomCrop", "size": [12, 10], "pad_if_needed": True}
    return [{"name": name, **ARGUMENTS.get(name, {})}, *([crop] if name in VARYING else [])]


def per_sample_of(*transforms: dict, seed: int = 0, size: tuple[int, int] = (16, 20)) -> PerSample:
    per_sample = ImagePipeline.from_transforms(train(*transforms, size=size), seed).per_sample
    assert per_sample is not None
    return per_sample


def same(found: torch.Tensor, expected: torch.Tensor) -> bool:
    return found.dtype == expected.dtype and torch.equal(found, expected)
