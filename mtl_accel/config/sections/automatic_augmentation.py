"""Augmentations that choose operations and their strengths themselves, under torchvision's names and arguments."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ..base import Section
from .transform_fields import Fill


class AutomaticAugmentation(Section):
    """What all of them have: how pixels are moved, and where the work is done."""

    name: str
    interpolation: Literal["nearest", "bilinear"] = Field("nearest", description="How moved pixels are resampled.")
    fill: Fill | None = Field(
        None, description="Value of the pixels that come from outside, 0 to 255, or one for each channel; null: black."
    )
    batched: bool = Field(
        True,
        description="Whole batches on the device; false: torchvision's own code, one picture at a time in the loader's "
        "workers, which draws other numbers (what runs of earlier versions did).",
    )

    @property
    def arguments(self) -> dict[str, Any]:
        """Those of torchvision's transform of the same name."""
        return self.model_dump(mode="json", exclude={"name", "batched"})


NumBins = Annotated[int, Field(ge=2, le=1000)]


class RandAugment(AutomaticAugmentation):
    """Do num_ops operations of 14, drawn for each picture, all at one strength (Cubuk et al., 2020)."""

    name: Literal["RandAugment"]
    num_ops: int = Field(2, ge=0, le=100, description="Operations one after another.")
    magnitude: int = Field(9, ge=0, description="Strength of each: the number of its bin, from 0.")
    num_magnitude_bins: NumBins = Field(31, description="Bins of the strength; magnitude must be smaller.")


class TrivialAugmentWide(AutomaticAugmentation):
    """Do one operation of 14 at any strength, both drawn for each picture (Müller and Hutter, 2021)."""

    name: Literal["TrivialAugmentWide"]
    num_magnitude_bins: NumBins = Field(31, description="Bins of the strength, of which one is drawn.")


class AutoAugment(AutomaticAugmentation):
    """Do one pair of operations of a learnt list, drawn for each picture (Cubuk et al., 2019)."""

    name: Literal["AutoAugment"]
    policy: Literal["imagenet", "cifar10", "svhn"] = Field(
        "imagenet", description="Data set whose learnt list of pairs it is."
    )
