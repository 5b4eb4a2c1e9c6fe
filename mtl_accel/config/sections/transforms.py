"""Image transforms, under torchvision.transforms.v2's names and arguments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..base import Section
from .torchvision_names import TorchvisionTransform

Size = Annotated[int, Field(gt=0, le=4096)]
Pair = tuple[Size, Size]
Probability = Annotated[float, Field(ge=0, le=1)]
Interpolation = Literal["nearest", "bilinear", "bicubic"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("must be [least, most], with the smaller number first")
    return pair


Positive = Annotated[float, Field(gt=0)]
Angle = Annotated[float, Field(ge=-360, le=360)]
Deviation = Annotated[float, Field(ge=1e-6)]
Scale = Annotated[tuple[Probability, Probability], AfterValidator(_rising)]
Ratio = Annotated[tuple[Positive, Positive], AfterValidator(_rising)]


class Resize(Section):
    """Resize the picture; stands in the part that is done once and cached."""

    name: Literal["Resize"]
    size: Pair = Field(description="[height, width] in pixels.")
    interpolation: Interpolation = Field("bilinear", description="How pixels are resampled (antialiased).")


class CenterCrop(Section):
    """Cut the middle out of the picture; behind a rotation it leaves the empty corners away."""

    name: Literal["CenterCrop"]
    size: Pair = Field(description="[height, width] in pixels.")


class RandomHorizontalFlip(Section):
    """Mirror left and right."""

    name: Literal["RandomHorizontalFlip"]
    p: Probability = Field(0.5, description="Probability of a flip.")


class RandomVerticalFlip(Section):
    """Mirror up and down."""

    name: Literal["RandomVerticalFlip"]
    p: Probability = Field(0.5, description="Probability of a flip.")


class RandomRotation(Section):
    """Rotate about the centre by an angle drawn uniformly."""

    name: Literal["RandomRotation"]
    degrees: Annotated[tuple[Angle, Angle], AfterValidator(_rising)] = Field(
        description="[lowest, highest] angle in degrees, counter-clockwise."
    )
    interpolation: Literal["nearest", "bilinear"] = Field("nearest", description="How pixels are resampled.")
    fill: float = Field(0.0, ge=0, le=255, description="Value of the pixels that come from outside, 0 to 255.")


class RandomResizedCrop(Section):
    """Cut out a box of random area and aspect ratio and resize it."""

    name: Literal["RandomResizedCrop"]
    size: Pair = Field(description="[height, width] of the result in pixels.")
    scale: Scale = Field((0.08, 1.0), description="Share of the area, [least, most].")
    ratio: Ratio = Field((3 / 4, 4 / 3), description="Aspect ratio of the box, [least, most].")


class ColorJitter(Section):
    """Change brightness, contrast, saturation and hue by random amounts in random order."""

    name: Literal["ColorJitter"]
    brightness: Annotated[float, Field(ge=0)] = Field(0.0, description="Factor drawn from [max(0, 1-b), 1+b].")
    contrast: Annotated[float, Field(ge=0)] = Field(0.0, description="Factor drawn from [max(0, 1-c), 1+c].")
    saturation: Annotated[float, Field(ge=0)] = Field(0.0, description="Factor drawn from [max(0, 1-s), 1+s].")
    hue: Annotated[float, Field(ge=0, le=0.5)] = Field(0.0, description="Shift drawn from [-h, h] of the circle.")


class RandomGrayscale(Section):
    """Take the colour away."""

    name: Literal["RandomGrayscale"]
    p: Probability = Field(0.1, description="Probability.")


class RandomErasing(Section):
    """Overwrite a box (Zhong et al., 2017). Stands after Normalize, so that `value` 0 is the mean colour."""

    name: Literal["RandomErasing"]
    p: Probability = Field(0.5, description="Probability.")
    scale: Scale = Field((0.02, 0.33), description="Share of the area, [least, most].")
    ratio: Ratio = Field((0.3, 3.3), description="Aspect ratio of the box, [least, most].")
    value: float = Field(0.0, description="Value written into the box.")


class Normalize(Section):
    """Scale uint8 pixels to [0, 1], subtract the mean and divide by the standard deviation of each channel."""

    name: Literal["Normalize"]
    mean: tuple[float, float, float] = Field(IMAGENET_MEAN, description="Mean of each channel in [0, 1].")
    std: tuple[Deviation, Deviation, Deviation] = Field(IMAGENET_STD, description="Standard deviation of each channel.")


CachedTransform = Resize | CenterCrop  # done once for each picture where they lead a list
Transform = Annotated[
    Resize
    | CenterCrop
    | RandomHorizontalFlip
    | RandomVerticalFlip
    | RandomRotation
    | RandomResizedCrop
    | ColorJitter
    | RandomGrayscale
    | RandomErasing
    | Normalize
    | TorchvisionTransform,
    Field(discriminator="name"),
]
FixedTransform = Annotated[Resize | CenterCrop | Normalize, Field(discriminator="name")]


def problems(transforms: tuple[Transform, ...], place: str) -> list[str]:
    """List what is wrong with some transforms as a whole; `place` is the dotted path of the list."""
    found: list[str] = []
    if not isinstance(transforms[0], Resize):
        found.append(f"{place}: the first transform must be Resize, so that all pictures have one size")
    height, width = 0, 0
    for index, transform in enumerate(transforms):
        where, before = f"{place}.{index}", transforms[:index]
        is_normalized = any(isinstance(t, Normalize) for t in before)
        if isinstance(transform, Resize) and not all(isinstance(t, CachedTransform) for t in before):
            found.append(f"{where}: {transform.name} must stand before every random transform")
        if isinstance(transform, CenterCrop) and height and (transform.size[0] > height or transform.size[1] > width):
            found.append(
                f"{where}.size: a crop of {list(transform.size)} is larger than the picture of "
                f"[{height}, {width}] before it; make it smaller, or Resize larger"
            )
        if isinstance(transform, RandomErasing) and not is_normalized:
            found.append(f"{where}: RandomErasing must stand after Normalize")
        if not isinstance(transform, RandomErasing) and is_normalized:
            found.append(f"{where}: {transform.name} must stand before Normalize")
        if isinstance(transform, Resize | CenterCrop | RandomResizedCrop):
            height, width = transform.size
        elif isinstance(transform, TorchvisionTransform):
            height, width = 0, 0  # only torchvision knows
    if not any(isinstance(t, Normalize) for t in transforms):
        found.append(f"{place}: Normalize is missing; without it the model would see pixels from 0 to 255")
    return found
