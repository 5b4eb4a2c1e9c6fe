"""Types of the arguments of transforms: sizes, paddings, fills, probabilities and ranges."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from ..base import in_one_message

Size = Annotated[int, Field(gt=0, le=4096)]
Pair = tuple[Size, Size]
Probability = Annotated[float, Field(ge=0, le=1)]
Interpolation = Literal["nearest", "bilinear", "bicubic"]
PaddingMode = Literal["constant", "edge", "reflect", "symmetric"]
Value = Annotated[float, Field(ge=0, le=255)]
Fill = Annotated[
    Value | tuple[Value, Value, Value],
    in_one_message("fill", "must be a number from 0 to 255, or a list of three of them"),
]
Pixels = Annotated[int, Field(ge=0, le=4096)]
Padding = Annotated[
    Pixels | tuple[Pixels] | tuple[Pixels, Pixels] | tuple[Pixels, Pixels, Pixels, Pixels],
    in_one_message(
        "padding",
        "must be a whole number from 0 to 4096, a list [left and right, top and bottom], or a list [left, top, right, "
        "bottom]",
    ),
]
Sides = Annotated[
    Size | Pair | None,
    in_one_message(
        "size", "must be a whole number from 1 to 4096, a list [height, width] of them, or null with max_size"
    ),
]


def rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("must be [least, most], with the smaller number first")
    return pair


Positive = Annotated[float, Field(gt=0)]
Angle = Annotated[float, Field(ge=-360, le=360)]
Deviation = Annotated[float, Field(ge=1e-6)]
Scale = Annotated[tuple[Probability, Probability], AfterValidator(rising)]
Ratio = Annotated[tuple[Positive, Positive], AfterValidator(rising)]
