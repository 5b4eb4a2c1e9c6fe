"""Image transforms, under torchvision.transforms.v2's names and arguments."""

from __future__ import annotations

from typing import Annotated, Literal, TypeGuard

from pydantic import AfterValidator, Field

from ..base import Section
from ..extension.open_unions import Open
from .automatic_augmentation import AutoAugment, AutomaticAugmentation, RandAugment, TrivialAugmentWide
from .torchvision_names import TorchvisionTransform
from .transform_fields import (
    Angle,
    Deviation,
    Fill,
    Interpolation,
    Padding,
    PaddingMode,
    Pair,
    Probability,
    Ratio,
    Scale,
    Sides,
    Size,
    rising,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class RequireSize(Section):
    """Refuse pictures of any other size. A list that leaves the first Resize out gets it from the first picture."""

    name: Literal["RequireSize"]
    size: Pair = Field(description="[height, width] of every picture in pixels.")


class Resize(Section):
    """Resize the picture; stands in the part that is done once and cached."""

    name: Literal["Resize"]
    size: Sides = Field(
        description="[height, width] in pixels; one number: the length of the shorter side, the aspect ratio is kept; "
        "null: the longer side gets the length of max_size."
    )
    interpolation: Interpolation = Field("bilinear", description="How pixels are resampled (antialiased).")
    max_size: Size | None = Field(
        None, description="Greatest length of the longer side, where size is one number or null."
    )


class Pad(Section):
    """Add pixels around the picture."""

    name: Literal["Pad"]
    padding: Padding = Field(
        description="Pixels on every side, [left and right, top and bottom], or [left, top, right, bottom]."
    )
    fill: Fill = Field(0.0, description="Value of the new pixels, 0 to 255, or one for each channel.")
    padding_mode: PaddingMode = Field("constant", description="What the new pixels hold.")


class PadToSquare(Section):
    """Add pixels to the two ends of the shorter side, until it is as long as the other; the odd one goes to the end."""

    name: Literal["PadToSquare"]
    fill: Fill = Field(0.0, description="Value of the new pixels, 0 to 255, or one for each channel.")
    padding_mode: PaddingMode = Field("constant", description="What the new pixels hold.")


class CenterCrop(Section):
    """Cut the middle out of the picture; behind a rotation it leaves the empty corners away."""

    name: Literal["CenterCrop"]
    size: Pair = Field(description="[height, width] in pixels.")


class FiveCrop(Section):
    """Predict the four corners and the middle, and take the mean of their logits. In `eval` only, before Normalize."""

    name: Literal["FiveCrop"]
    size: Pair = Field(description="[height, width] of each crop in pixels.")


class TenCrop(Section):
    """The five crops of FiveCrop and those of the mirrored picture: each picture passes the network ten times."""

    name: Literal["TenCrop"]
    size: Pair = Field(description="[height, width] of each crop in pixels.")
    vertical_flip: bool = Field(False, description="Mirror up and down instead of left and right.")


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
    degrees: Annotated[tuple[Angle, Angle], AfterValidator(rising)] = Field(
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


CachedTransform = RequireSize | Resize | CenterCrop | Pad | PadToSquare  # done once where they lead a list
SeveralCrops = FiveCrop | TenCrop
Transform = Annotated[
    Resize
    | CenterCrop
    | Pad
    | PadToSquare
    | RequireSize
    | RandomHorizontalFlip
    | RandomVerticalFlip
    | RandomRotation
    | RandomResizedCrop
    | ColorJitter
    | RandomGrayscale
    | RandAugment
    | TrivialAugmentWide
    | AutoAugment
    | RandomErasing
    | FiveCrop
    | TenCrop
    | Normalize
    | TorchvisionTransform,
    Open("transform"),
]
FixedTransform = Annotated[
    Resize | CenterCrop | Normalize | Pad | PadToSquare | RequireSize | FiveCrop | TenCrop, Field(discriminator="name")
]


def is_torchvisions(transform: Transform) -> TypeGuard[TorchvisionTransform | AutomaticAugmentation]:
    """Whether torchvision's own code carries a transform out, on one picture after another."""
    if isinstance(transform, AutomaticAugmentation):
        return not transform.batched
    return isinstance(transform, TorchvisionTransform)
