"""One config of each augmentation, for tests that walk the registry."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import TypeAdapter

from mtl_accel.config.sections.transforms import Transform
from mtl_accel.core import rng
from mtl_accel.data.transforms.augment import AUGMENTATIONS, Augmentation
from mtl_accel.data.transforms.base import Operation

# Small pictures: boxes are small and many do not fit, so that every path is taken.
CASES = {
    "RandomHorizontalFlip": {"p": 0.3},
    "RandomVerticalFlip": {"p": 0.6},
    "RandomRotation": {"degrees": [-90, 40], "fill": 100.0},
    "RandomResizedCrop": {"size": [14, 11]},
    "ColorJitter": {"brightness": 0.4, "contrast": 0.5, "saturation": 0.3, "hue": 0.2},
    "RandomGrayscale": {"p": 0.4},
    "CenterCrop": {"size": [9, 7]},
    "Pad": {"padding": [3, 1, 0, 2], "fill": [40.0, 90.0, 200.0]},
    "PadToSquare": {"padding_mode": "edge"},
    "Normalize": {},
    "RandAugment": {"num_ops": 3, "magnitude": 20},
    "TrivialAugmentWide": {"num_magnitude_bins": 7},
    "AutoAugment": {"policy": "svhn", "fill": [40.0, 90.0, 200.0]},
    "RandomErasing": {"p": 0.7, "value": 1.5},
}
NAMES = sorted(CASES)


def transform(name: str, **knobs: object) -> Transform:
    return TypeAdapter(Transform).validate_python({"name": name, **(knobs or CASES[name])})


def operation(name: str, shape: tuple[int, int], **knobs: object) -> Operation:
    return AUGMENTATIONS[name](transform(name, **knobs), shape)


def pipeline(*names: str, size: tuple[int, int], seed: int = 0) -> Augmentation:
    """From position 1 on, where a list has Resize before them."""
    return Augmentation(dict(enumerate(map(transform, names), 1)), size, seed)


def pictures(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """uint8 [count, 3, height, width]: noise, and every fourth picture of few colours, greys among them."""
    noise = torch.from_numpy((rng.uniforms(3 * height * width, seed, np.arange(count)) * 256).astype(np.uint8))
    images = noise.view(count, 3, height, width)
    images[::4] = images[::4] // 128 * 255
    return images


def draws(name: str, shape: tuple[int, int], count: int, **knobs: object) -> dict[str, np.ndarray]:
    """Parameters of `count` samples, drawn as a run draws them."""
    augmentation = Augmentation({1: transform(name, **knobs)}, shape, seed=3)
    return {key.removeprefix("1."): drawn for key, drawn in augmentation.draw(np.arange(count), epoch=5).items()}
