"""The cached transforms are torchvision's own, to the bit, and the config tells the sizes that they leave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import TypeAdapter
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tvf

from mtl_accel.config.sections.picture_sizes import Extent, extent_after, padded, resized
from mtl_accel.config.sections.transforms import Pad, PadToSquare, Resize, Transform
from mtl_accel.core.errors import UserError
from mtl_accel.data.transforms.cached import OtherSizeError, transform_picture
from mtl_accel.data.transforms.geometry import Padding

SIZES = [(40, 30), (30, 40), (31, 31), (7, 100), (100, 8)]
CASES = [
    {"name": "Resize", "size": 24},
    {"name": "Resize", "size": 24, "max_size": 40, "interpolation": "bicubic"},
    {"name": "Resize", "size": None, "max_size": 24, "interpolation": "nearest"},
    {"name": "Resize", "size": [9, 20]},
    {"name": "Pad", "padding": 3, "fill": 77},
    {"name": "Pad", "padding": [2, 5], "fill": [1, 2, 250]},
    {"name": "Pad", "padding": [1, 2, 3, 4], "padding_mode": "edge"},
    {"name": "Pad", "padding": [1, 2, 3, 4], "padding_mode": "reflect"},
    {"name": "Pad", "padding": 7, "padding_mode": "symmetric"},
    {"name": "CenterCrop", "size": [7, 5]},
]


def made(config: dict) -> Transform:
    return TypeAdapter(Transform).validate_python(config)


def picture(size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("config", CASES, ids=str)
def test_a_picture_is_what_torchvision_makes_of_it_and_has_the_announced_size(config: dict, size) -> None:
    arguments = {key: value for key, value in config.items() if key != "name"}
    if "interpolation" in arguments:
        arguments["interpolation"] = v2.InterpolationMode(arguments["interpolation"])
    expected = getattr(v2, config["name"])(**arguments)(picture(size))
    done = transform_picture(picture(size), made(config), "here")
    np.testing.assert_array_equal(np.asarray(done), np.asarray(expected))
    assert extent_after([made(config)], Extent.of(size)).size == (done.height, done.width)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("size", [(8, 12), (12, 9), (10, 10)])
def test_a_picture_stands_in_the_middle_of_its_square(size, mode: str) -> None:
    done = np.asarray(transform_picture(picture(size), PadToSquare(name="PadToSquare", padding_mode=mode), "here"))
    side = max(size)
    top, left = (side - size[0]) // 2, (side - size[1]) // 2
    assert done.shape == (side, side, 3)
    np.testing.assert_array_equal(done[top : top + size[0], left : left + size[1]], np.asarray(picture(size)))
    borders = ((top, side - size[0] - top), (left, side - size[1] - left), (0, 0))
    np.testing.assert_array_equal(done, np.pad(np.asarray(picture(size)), borders, mode))


@pytest.mark.parametrize("seed", range(20))
def test_sizes_are_those_of_torchvision_for_any_picture(seed: int) -> None:
    numbers = np.random.default_rng(seed)
    height, width, size, more = (int(n) for n in numbers.integers(1, 2000, 4))
    for resize in (
        Resize(name="Resize", size=size),
        Resize(name="Resize", size=size, max_size=size + more),
        Resize(name="Resize", size=None, max_size=size),
    ):
        sides = None if resize.size is None else [size]
        expected = tvf._geometry._compute_resized_output_size((height, width), sides, resize.max_size)
        assert resized((height, width), resize) == tuple(expected)


@pytest.mark.parametrize(
    ("transforms", "extent"),
    [
        ([{"name": "Resize", "size": 24}], Extent(shorter=24)),
        ([{"name": "Resize", "size": 24, "max_size": 30}], Extent()),
        ([{"name": "Resize", "size": None, "max_size": 24}], Extent(longer=24)),
        ([{"name": "Resize", "size": None, "max_size": 24}, {"name": "PadToSquare"}], Extent.of((24, 24))),
        ([{"name": "PadToSquare"}, {"name": "Resize", "size": 24}], Extent.of((24, 24))),
        ([{"name": "Resize", "size": 24}, {"name": "Pad", "padding": 1}], Extent()),
        ([{"name": "RandomCrop", "size": 8}], Extent.of((8, 8))),
        ([{"name": "RandomCrop", "size": [8, "x"]}], Extent()),
    ],
)
def test_a_config_tells_as_much_of_the_sizes_as_holds_for_every_picture(transforms: list[dict], extent: Extent) -> None:
    found = extent_after(map(made, transforms))
    assert found == extent
    cached = [made(t) for t in transforms if t["name"] != "RandomCrop"]
    for size in SIZES if cached else []:
        done = picture(size)
        for transform in cached:
            done = transform_picture(done, transform, "here")
        sides = done.height, done.width
        assert (
            found.size in (None, sides) and found.shorter in (None, min(sides)) and found.longer in (None, max(sides))
        )


@pytest.mark.parametrize(
    ("config", "size", "message"),
    [
        ({"name": "CenterCrop", "size": [9, 9]}, (8, 20), r"here: CenterCrop of \[9, 9\] is larger than .* \[8, 20\]"),
        ({"name": "Resize", "size": None, "max_size": 10}, (1, 300), r"here: .*\[1, 300\] is so narrow"),
        ({"name": "Pad", "padding": 8, "padding_mode": "reflect"}, (8, 20), r"here: Pad: .* at most 7 rows"),
        ({"name": "RequireSize", "size": [8, 9]}, (9, 8), r"here: the picture is \[9, 8\] .* must be \[8, 9\]"),
    ],
)
def test_a_picture_that_does_not_fit_is_told_with_its_place_and_size(config: dict, size, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        transform_picture(picture(size), made(config), "here")
    assert isinstance(caught.value, OtherSizeError) == (config["name"] == "RequireSize")


def test_padding_in_batches_equals_padding_of_pictures() -> None:
    pad = Pad(name="Pad", padding=(1, 2, 3, 0), fill=(9.0, 100.0, 7.0))
    image = tvf.pil_to_tensor(picture((8, 12)))
    done = Padding(pad, (8, 12)).apply(image[None], {})[0]
    assert torch.equal(done, tvf.pil_to_tensor(transform_picture(picture((8, 12)), pad, "here")))
    assert done.shape == (3, *padded((8, 12), pad))
    floats = Padding(pad, (8, 12)).apply(image[None] / 255, {})[0]
    assert torch.allclose(floats * 255, done.float())
