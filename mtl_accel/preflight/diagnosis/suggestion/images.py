"""The size to which unknown pictures are brought, from a sample of their sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import datasets
import numpy as np
from PIL import Image

from ....core.errors import UserError
from ....data.loading.decoding import decode
from ....models.base import MIN_SIZE

MAX_SAMPLE = 256  # pictures that are decoded
_DRAFT = (64, 64)  # a JPEG is decoded at a reduced scale that is no smaller than this
_SIZES = (MIN_SIZE, 64, 96, 128, 160, 192, 224)  # of the shorter side
_STEP = 32  # by which the backbones reduce their input
_MAX_SHRINK = 0.8  # a size may be so much smaller than the pictures
_SQUARE = 1.25  # up to this ratio of the sides a picture is made square
_MAX_RATIO = 3.0
_MAX_DEVIATION = 0.1  # of the ratios, relative to their median, that is one shape


class Sample(NamedTuple):
    """Heights and widths of the pictures that can be decoded, int64 [M, 2], and how many of the sample cannot be."""

    sizes: np.ndarray
    num_broken: int


def sample_images(table: datasets.Dataset) -> Sample:
    """Decode some images of a table, evenly spread over its rows."""
    rows = np.unique(np.linspace(0, len(table) - 1, min(len(table), MAX_SAMPLE)).astype(np.int64))
    sizes = [_size(row["image"], f"id {row['id']}") for row in table.select_columns(["id", "image"]).select(rows)]
    known = [size for size in sizes if size is not None]
    return Sample(np.array(known, np.int64).reshape(-1, 2), len(sizes) - len(known))


def _size(value: Mapping[str, Any], place: str) -> tuple[int, int] | None:
    """Height and width of an image as it is seen, upright; None where it cannot be decoded."""
    sizes = []

    def read_header(image: Image.Image) -> None:
        sizes.append(image.size)
        image.draft(None, _DRAFT)

    try:
        picture = decode(value, place=place, before_pixels=read_header)
    except UserError:
        return None
    (width, height) = sizes[0]
    is_turned = (picture.height - picture.width) * (height - width) < 0
    return (width, height) if is_turned else (height, width)


def suggest_transforms(sizes: np.ndarray) -> tuple[dict[str, Any], str]:
    """Transforms for pictures of these heights and widths, int64 [M, 2]; and the reason."""
    height, width = (int(value) for value in np.median(sizes, axis=0))
    shorter = float(np.median(sizes.min(axis=1)))
    side = next((size for size in _SIZES if size >= _MAX_SHRINK * shorter), _SIZES[-1])
    ratios = sizes[:, 0] / sizes[:, 1]
    ratio = float(np.median(ratios))
    size = [side, side]
    reason = f"pictures of about {width} x {height} are brought to"
    is_square = 1 / _SQUARE <= ratio <= _SQUARE
    is_one_shape = float(np.mean(np.abs(ratios / ratio - 1) <= _MAX_DEVIATION)) >= 0.9
    if not is_square and is_one_shape and 1 / _MAX_RATIO <= ratio <= _MAX_RATIO:
        size = [max(round(side * factor / _STEP), 1) * _STEP for factor in (ratio**0.5, ratio**-0.5)]
        reason = f"{reason} {size[1]} x {size[0]}, which keeps their shape"
    else:
        reason = f"{reason} {size[1]} x {size[0]}"
        if not is_square or not is_one_shape:
            reason += "; their shapes differ, and what is not square is squeezed"
    if shorter < MIN_SIZE:
        reason += f"; they are enlarged, since the networks need {MIN_SIZE}"
    return _transforms(size), reason


def _transforms(size: Sequence[int]) -> dict[str, Any]:
    """Those of configs/quickstart.json."""
    resize = {"name": "Resize", "size": list(size)}
    return {
        "train": [resize, {"name": "RandomHorizontalFlip"}, {"name": "Normalize"}],
        "eval": [resize, {"name": "Normalize"}],
    }
