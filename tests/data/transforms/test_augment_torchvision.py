"""Torchvision is the reference: the same distributions, and the same pixels at the same parameters."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from augment_cases import draws, operation, pictures
from scipy import stats
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

COUNT, COUNT_TORCHVISION = 20_000, 2_000
# Kolmogorov-Smirnov distance that equal distributions exceed once in a thousand; the seeds are fixed.
DISTANCE = 1.95 * ((COUNT + COUNT_TORCHVISION) / (COUNT * COUNT_TORCHVISION)) ** 0.5
SIZES = [(48, 64), (200, 20), (20, 200)]  # in the narrow ones few boxes fit, or none
BOX = {"i": "top", "j": "left", "h": "height", "w": "width"}


def torchvision_draws(name: str, shape: tuple[int, int], **knobs: Any) -> dict[str, np.ndarray]:
    torch.manual_seed(0)
    reference, images = getattr(v2, name)(**knobs), [torch.zeros(3, *shape)]
    rows = [reference.make_params(images) for _ in range(COUNT_TORCHVISION)]
    return {key: np.array([np.asarray(row[key]) for row in rows]) for key in rows[0] if key != "v"}


def assert_same_distribution(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert stats.ks_2samp(ours, theirs).statistic < DISTANCE


@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "RandomVerticalFlip", "RandomGrayscale"])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
def test_a_chance_has_its_probability(name: str, p: float) -> None:
    (chosen,) = draws(name, (8, 8), COUNT, p=p).values()
    assert abs(chosen.mean() - p) <= 4 * (p * (1 - p) / COUNT) ** 0.5


def test_angles_are_torchvisions() -> None:
    knobs: dict[str, Any] = {"degrees": (-90.0, 40.0)}
    ours = draws("RandomRotation", (8, 8), COUNT, **knobs)
    assert_same_distribution(ours["angle"], torchvision_draws("RandomRotation", (8, 8), **knobs)["angle"])


@pytest.mark.parametrize("amounts", [(0.2, 0.2, 0.1, 0.1), (1.5, 1.0, 2.0, 0.5)])
def test_colour_factors_and_orders_are_torchvisions(amounts: tuple[float, ...]) -> None:
    names = ("brightness", "contrast", "saturation", "hue")
    knobs = dict(zip(names, amounts, strict=True))
    ours, theirs = draws("ColorJitter", (8, 8), COUNT, **knobs), torchvision_draws("ColorJitter", (8, 8), **knobs)
    for name in names:
        assert_same_distribution(ours[name], theirs[f"{name}_factor"])
    orders = [tuple(order) for order in ours["order"].tolist()]
    counts = [orders.count(order) for order in itertools.permutations(range(4))]
    assert sum(counts) == COUNT
    assert stats.chisquare(counts).pvalue > 0.001


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [(0.08, 1.0), (0.9, 1.0)])
def test_crop_boxes_are_torchvisions(size: tuple[int, int], scale: tuple[float, float]) -> None:
    knobs: dict[str, Any] = {"size": (8, 8), "scale": scale}
    ours, theirs = (
        draws("RandomResizedCrop", size, COUNT, **knobs),
        torchvision_draws("RandomResizedCrop", size, **knobs),
    )
    for key in BOX.values():
        assert_same_distribution(ours[key], theirs[key])
    assert (ours["top"] + ours["height"]).max() <= size[0]
    assert (ours["left"] + ours["width"]).max() <= size[1]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [(0.02, 0.33), (0.5, 1.0)])
def test_erased_boxes_are_torchvisions(size: tuple[int, int], scale: tuple[float, float]) -> None:
    ours = draws("RandomErasing", size, COUNT, p=1.0, scale=scale)
    theirs = torchvision_draws("RandomErasing", size, p=1.0, scale=scale)
    # Torchvision marks "no box found" by the whole picture, which it then leaves alone; ours has no height.
    missed = (theirs["h"] == size[0]) & (theirs["w"] == size[1])
    for key, name in BOX.items():
        assert_same_distribution(ours[name], np.where(missed, 0, theirs[key]))


def test_erasing_has_its_probability() -> None:
    erased = draws("RandomErasing", (48, 64), COUNT, p=0.3)["height"] > 0
    assert abs(erased.mean() - 0.3) <= 4 * (0.3 * 0.7 / COUNT) ** 0.5


def as_float(images: torch.Tensor) -> torch.Tensor:
    return images.to(torch.float32).div(255)


@pytest.mark.parametrize(
    "amounts",
    [(0.4, 0.5, 0.3, 0.2), (2.0, 2.0, 2.0, 0.5), (0, 0.5, 0, 0.5), (0, 0, 0, 0.5), (0.5, 0, 0, 0), (0, 0, 0, 0)],
)
def test_jittered_pixels_are_torchvisions(amounts: tuple[float, ...]) -> None:
    names = ("brightness", "contrast", "saturation", "hue")
    functions = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    tested = operation("ColorJitter", (31, 22), **dict(zip(names, amounts, strict=True)))
    images = pictures(48, 31, 22)
    drawn = tested.parameters(np.random.default_rng(0).random((48, 8)))
    jittered = as_float(tested.apply(images, drawn)) if not any(amounts) else tested.apply(images, drawn)
    for sample, order in enumerate(drawn["order"].tolist()):
        expected = as_float(images[sample])
        for index in order:
            expected = functions[index](expected, float(drawn[names[index]][sample]))
        torch.testing.assert_close(jittered[sample], expected, rtol=0, atol=1e-5)


def test_hue_of_every_colour_is_torchvisions() -> None:
    levels = torch.linspace(0, 1, 18)
    cube = torch.cartesian_prod(levels, levels, levels).T.reshape(1, 3, 81, 72)
    tested = operation("ColorJitter", (81, 72), hue=0.5)
    for shift in (-0.5, -0.31, -1 / 6, 0.0, 1e-4, 0.2, 1 / 3, 0.5):
        drawn = {name: np.array([1.0]) for name in ("brightness", "contrast", "saturation")}
        turned = tested.apply(cube, {**drawn, "hue": np.array([shift]), "order": np.arange(4)[None]})
        torch.testing.assert_close(turned, tv.adjust_hue(cube, shift), rtol=0, atol=1e-5)


def test_contrast_uses_the_mean_of_a_large_picture_to_the_sixth_place() -> None:
    images = pictures(2, 300, 500)
    tested = operation("ColorJitter", (300, 500), contrast=1.0)
    drawn = {name: np.array([1.0, 1.0]) for name in ("brightness", "saturation", "hue")}
    flat = tested.apply(images, {**drawn, "contrast": np.zeros(2), "order": np.tile(np.arange(4), (2, 1))})
    expected = tv.rgb_to_grayscale(as_float(images).to(torch.float64)).mean(dim=(1, 2, 3))
    torch.testing.assert_close(flat[:, 0, 0, 0].to(torch.float64), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["RandomHorizontalFlip", "RandomVerticalFlip"])
def test_flipped_pixels_are_torchvisions(name: str) -> None:
    images = pictures(2, 7, 10)
    flipped = operation(name, (7, 10)).apply(images, {"flip": np.array([True, False])})
    mirror = tv.horizontal_flip if name == "RandomHorizontalFlip" else tv.vertical_flip
    assert torch.equal(flipped, torch.stack([mirror(images[0]), images[1]]))


@pytest.mark.parametrize("size", [(5, 8), (6, 7), (9, 12)])
def test_a_crop_of_the_middle_is_torchvisions(size: tuple[int, int]) -> None:
    images = pictures(4, 9, 12)
    assert torch.equal(
        operation("CenterCrop", (9, 12), size=size).apply(images, {}), tv.center_crop(images, list(size))
    )


def test_grey_pixels_are_torchvisions() -> None:
    images = pictures(2, 7, 10)
    grey = operation("RandomGrayscale", (7, 10)).apply(images, {"gray": np.array([True, False])})
    torch.testing.assert_close(grey[0], tv.rgb_to_grayscale(as_float(images[0]), 3), rtol=0, atol=1e-6)
    assert torch.equal(grey[1], as_float(images[1]))


@pytest.mark.parametrize("fill", [0.0, 100.0])
@pytest.mark.parametrize("size", [(48, 48), (31, 50)])
def test_nearest_rotation_is_torchvisions_but_for_ties(size: tuple[int, int], fill: float) -> None:
    tested = operation("RandomRotation", size, degrees=[-180, 180], fill=fill)
    # At 90 degrees an odd side meets an even one, and every pixel lies between two.
    angles = np.array([*np.linspace(-179, 179, 41), 0.0, 45.0, 30.0, 180.0])
    images = as_float(pictures(len(angles), *size))
    rotated = tested.apply(images.clone(), {"angle": angles})
    rows, columns = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2 for side in size)
    for sample, angle in enumerate(angles.tolist()):
        expected = tv.rotate(images[sample], angle, fill=fill / 255)
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        x = columns * cos - rows[:, None] * sin + (size[1] - 1) / 2
        y = columns * sin + rows[:, None] * cos + (size[0] - 1) / 2
        tie = ((x - x.floor() - 0.5).abs() < 1e-4) | ((y - y.floor() - 0.5).abs() < 1e-4)
        assert torch.equal(rotated[sample][:, ~tie], expected[:, ~tie])


def test_a_quarter_turn_is_exact_and_counter_clockwise() -> None:
    images = as_float(pictures(2, 9, 9))
    turned = operation("RandomRotation", (9, 9), degrees=[0, 90]).apply(
        images.clone(), {"angle": np.array([90.0, 0.0])}
    )
    assert torch.equal(turned, torch.stack([torch.rot90(images[0], 1, (1, 2)), images[1]]))


@pytest.mark.parametrize("fill", [0.0, 100.0])
def test_bilinear_rotation_is_torchvisions(fill: float) -> None:
    tested = operation("RandomRotation", (31, 50), degrees=[-90, 90], fill=fill, interpolation="bilinear")
    images, angles = as_float(pictures(9, 31, 50)), np.linspace(-88, 89, 9)
    rotated = tested.apply(images.clone(), {"angle": angles})
    for sample, angle in enumerate(angles.tolist()):
        expected = tv.rotate(images[sample], angle, v2.InterpolationMode.BILINEAR, fill=fill / 255)
        torch.testing.assert_close(rotated[sample], expected, rtol=0, atol=1e-4)


def test_resized_crops_are_torchvisions() -> None:
    tested = operation("RandomResizedCrop", (31, 50), size=(20, 24))
    images = pictures(12, 31, 50)
    drawn = tested.parameters(np.random.default_rng(0).random((12, tested.num_uniforms)))
    crops = tested.apply(images, drawn)
    for sample in range(12):
        box = [int(drawn[key][sample]) for key in BOX.values()]
        expected = tv.resized_crop(as_float(images[sample]), *box, size=[20, 24], antialias=True)
        torch.testing.assert_close(crops[sample], expected, rtol=0, atol=1e-6)


def test_erased_pixels_are_torchvisions() -> None:
    tested = operation("RandomErasing", (31, 50), p=0.8, value=-1.25)
    images = as_float(pictures(12, 31, 50))
    drawn = tested.parameters(np.random.default_rng(0).random((12, tested.num_uniforms)))
    erased = tested.apply(images.clone(), drawn)
    for sample in range(12):
        box = [int(drawn[key][sample]) for key in BOX.values()]
        assert torch.equal(erased[sample], tv.erase(images[sample], *box, v=torch.tensor(-1.25)))
