"""Drawn pictures of shapes: `data.source: "shapes:NUMBER"`."""

from typing import Literal

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw
from pydantic import Field

import mtl_accel

SHAPES = ("square", "circle", "bar")


class ShapesConfig(mtl_accel.SourceOptions):
    """Pictures of one shape each, in some of the colours red, green and blue."""

    name: Literal["shapes"]
    size: int = Field(32, ge=16, le=256, description="Height and width in pixels.")
    seed: int = Field(0, ge=0, description="Another seed draws other pictures.")


@mtl_accel.register_source("shapes", config=ShapesConfig)
def shapes(argument: str, options: ShapesConfig) -> dict[str, pd.DataFrame]:
    """Draw as many training pictures as the argument says, and half as many for validation and for the test."""
    if not argument.isdecimal() or int(argument) < 2:
        raise mtl_accel.UserError(f"data.source: 'shapes:{argument}' must end with a number of at least 2")
    sizes = {"train": int(argument), "validation": int(argument) // 2, "test": int(argument) // 2}
    rng = np.random.default_rng(options.seed)
    return {split: pd.DataFrame([_row(rng, i, options.size) for i in range(n)]) for split, n in sizes.items()}


def _row(rng: np.random.Generator, index: int, size: int) -> dict[str, object]:
    kind, colours = int(rng.integers(3)), rng.integers(2, size=3)
    image = Image.new("RGB", (size, size), (40, 40, 40))
    left, top = (int(n) for n in rng.integers(2, size // 2, size=2))
    box = (left, top, left + size // 3, top + (size // 8 if kind == 2 else size // 3))
    draw = ImageDraw.Draw(image)
    (draw.ellipse if kind == 1 else draw.rectangle)(box, fill=tuple(int(60 + 180 * c) for c in colours))
    red, green, blue = (int(c) for c in colours)
    return {"id": str(index), "image": image, "shape": SHAPES[kind], "red": red, "green": green, "blue": blue}
