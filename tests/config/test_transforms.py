"""Lists of transforms that a config accepts, though they keep the aspect ratio or leave out the first Resize."""

from __future__ import annotations

from typing import Any

import pytest
from config_cases import SMALL, small

from mtl_accel.config import validate

NORMALIZE, RESIZE = {"name": "Normalize"}, {"name": "Resize", "size": [8, 8]}
KEEP, WITHIN = {"name": "Resize", "size": 8}, {"name": "Resize", "size": None, "max_size": 8}
CROP_FOUR, REQUIRED = {"name": "CenterCrop", "size": [4, 4]}, {"name": "RequireSize", "size": [8, 8]}
REFLECT = {"name": "Pad", "padding": 8, "padding_mode": "reflect"}


@pytest.mark.parametrize(
    "transforms",
    [
        (NORMALIZE,),  # the pictures must have one size then
        (CROP_FOUR, NORMALIZE),
        (KEEP, CROP_FOUR, NORMALIZE),
        (KEEP, {"name": "RandomCrop", "size": 8}, NORMALIZE),
        (KEEP, {"name": "RandomHorizontalFlip"}, {"name": "RandomResizedCrop", "size": [6, 5]}, NORMALIZE),
        (WITHIN, {"name": "PadToSquare"}, NORMALIZE),
        ({"name": "PadToSquare", "fill": [124, 116, 104]}, KEEP, NORMALIZE),
        ({"name": "Pad", "padding": [1, 2], "padding_mode": "symmetric"}, RESIZE, NORMALIZE),
        (REQUIRED, {**REFLECT, "padding": [1, 2, 3, 7]}, {"name": "CenterCrop", "size": [17, 12]}, NORMALIZE),
    ],
)
def test_transforms_that_bring_pictures_to_one_size_are_accepted(transforms: tuple[dict[str, Any], ...]) -> None:
    validate(small(transforms={**SMALL["transforms"], "train": list(transforms)}), "a.json")
