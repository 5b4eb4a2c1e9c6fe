"""RandAugment, TrivialAugmentWide and AutoAugment: torchvision's pixels, to the bit, and its distribution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from augment_cases import draws, operation, pictures
from scipy import stats
from torchvision.transforms import v2

from mtl_accel.data.transforms.automatic.augmentations import _IS_WARP, _SIGNED, OPERATIONS, strengths
from mtl_accel.data.transforms.automatic.pixels import fused_add_in_float64
from mtl_accel.data.transforms.automatic.policies import POLICIES
from mtl_accel.data.transforms.base import as_float

COUNT, COUNT_TORCHVISION = 40_000, 6_000
CASES: list[tuple[str, dict[str, Any]]] = [
    ("RandAugment", {}),
    ("RandAugment", {"num_ops": 1, "magnitude": 4, "num_magnitude_bins": 11}),
    ("TrivialAugmentWide", {"num_magnitude_bins": 5}),
    *(("AutoAugment", {"policy": policy}) for policy in POLICIES),
]
MOVING = [name for name, is_warp in zip(OPERATIONS, _IS_WARP, strict=True) if is_warp]


def reference(name: str, **arguments: Any) -> v2.Transform:
    enums = {"interpolation": v2.InterpolationMode, "policy": v2.AutoAugmentPolicy}
    made: v2.Transform = getattr(v2, name)(**{key: enums.get(key, lambda v: v)(v) for key, v in arguments.items()})
    return made


def smooth_pictures(count: int, height: int, width: int) -> torch.Tensor:
    """uint8 [count, 3, height, width] with slow changes, as in photos, and the last one of a single colour."""
    coarse = pictures(count, 6, 6, seed=1).to(torch.float32)
    images = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255).to(torch.uint8)
    images[-1] = torch.tensor([200, 200, 31], dtype=torch.uint8)[:, None, None]
    return images


def ties(name: str, strength: float, height: int, width: int) -> torch.Tensor:
    """Where a pixel comes from the border of two, which another processor may round to the other one: bool [H, W]."""
    rows, columns = (torch.arange(side, dtype=torch.float64) + 0.5 for side in (height, width))
    x, y = columns.expand(height, width), rows[:, None].expand(height, width)
    if name == "Rotate":
        x, y = x - width / 2, y - height / 2
        cos, sin = np.cos(np.radians(strength)), np.sin(np.radians(strength))
        x, y = x * cos - y * sin + width / 2, x * sin + y * cos + height / 2
    elif name == "ShearX":
        x = x + strength * y
    elif name == "ShearY":
        y = y + strength * x
    return torch.stack([(side - side.round()).abs() < 1e-4 for side in (x, y)]).any(dim=0)


def bins(name: str, size: tuple[int, int]) -> Iterator[float]:
    """Every strength of an operation in all three, with both signs."""
    place, signs = OPERATIONS.index(name), (1, -1) if _SIGNED[OPERATIONS.index(name)] else (1,)
    tables = strengths(31, size), strengths(31, size, is_wide=True), strengths(10, size)
    yield from {sign * strength: None for table in tables for strength in table[place].tolist() for sign in signs}


def assert_torchvision_s(name: str, size: tuple[int, int], **knobs: Any) -> None:
    tested, images = (
        operation("TrivialAugmentWide", size, **knobs),
        torch.cat([pictures(3, *size), smooth_pictures(3, *size)]),
    )
    theirs: Any = reference("TrivialAugmentWide", **knobs)
    for strength in bins(name, size):
        chosen = {"operation": np.full((6, 1), OPERATIONS.index(name)), "strength": np.full((6, 1), strength)}
        expected = [
            theirs._apply_image_or_video_transform(i, name, strength, theirs.interpolation, theirs._fill)
            for i in images
        ]
        ours, expected = tested.apply(images, chosen), torch.stack(expected)
        if name in MOVING:
            tie = ties(name, strength, *size)
            ours, expected = ours.masked_fill(tie, 0), expected.masked_fill(tie, 0)
        if knobs.get("interpolation") == "bilinear":  # half a level may be rounded to the other side elsewhere
            difference = (ours.to(torch.int16) - expected).abs()
            assert difference.max() <= 1 and difference.to(torch.float32).mean() < 0.001, f"{name} at {strength}"
            continue
        assert torch.equal(ours, expected), f"{name} at {strength}"


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("size", [(40, 57), (32, 32), (2, 3)])
def test_every_operation_at_every_strength_is_torchvision_s_to_the_bit(name: str, size: tuple[int, int]) -> None:
    assert_torchvision_s(name, size)


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize(
    "knobs",
    [
        {"interpolation": "nearest", "fill": [124.4, 116.0, 103.6]},
        {"interpolation": "bilinear"},
        {"interpolation": "bilinear", "fill": 0.0},  # at the border torchvision makes it another than none
        {"interpolation": "bilinear", "fill": [124.0, 116.0, 104.0]},
    ],
)
def test_moved_pixels_are_torchvision_s_with_any_fill_and_interpolation(name: str, knobs: dict[str, Any]) -> None:
    assert_torchvision_s(name, (32, 32), **knobs)


def test_every_colour_gets_the_gray_of_torchvision() -> None:
    """A sum that is rounded another way gives a few of the 16.7 million another gray."""
    levels = torch.arange(256, dtype=torch.uint8)
    red, green, blue = torch.meshgrid(levels[::5], levels, levels, indexing="ij")
    cube = torch.stack([red, green, blue]).reshape(1, 3, 52 * 256, 256)
    drawn = {"operation": np.full((1, 1), OPERATIONS.index("Color")), "strength": np.full((1, 1), -0.9)}
    tested = operation("TrivialAugmentWide", (52 * 256, 256), num_magnitude_bins=31)
    assert torch.equal(tested.apply(cube, drawn), v2.functional.adjust_saturation(cube, 1.0 - 0.9))


def test_a_gpu_s_way_to_add_gives_the_bits_of_a_cpu_s_fused_one() -> None:
    total = as_float(pictures(4, 30, 40)) * 255 * 0.97
    values, factors = pictures(4, 30, 40, seed=2)[:, :1], np.array([0.1, -0.8999999761581421, 0.587, 1e-3])
    expected = torch.stack([t.add(v, alpha=f) for t, v, f in zip(total, values, factors.tolist(), strict=True)])
    on_host = torch.from_numpy(factors.astype(np.float32))[:, None, None, None]
    assert torch.equal(fused_add_in_float64(total, values, on_host), expected)


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("size", [(40, 57), (224, 224)])
@pytest.mark.parametrize("num_bins", [2, 10, 31])
def test_the_strengths_are_torchvision_s(is_wide: bool, size: tuple[int, int], num_bins: int) -> None:
    theirs = (v2.TrivialAugmentWide if is_wide else v2.AutoAugment)._AUGMENTATION_SPACE
    ours = dict(zip(OPERATIONS, strengths(num_bins, size, is_wide=is_wide), strict=True))
    assert set(ours) >= set(theirs)
    for name, (function, is_signed) in theirs.items():
        expected = function(num_bins, *size)
        assert ours[name].tolist() == ([0.0] * num_bins if expected is None else expected.tolist())
        assert _SIGNED[OPERATIONS.index(name)] == is_signed


@pytest.mark.parametrize("policy", POLICIES)
def test_the_learnt_pairs_are_torchvision_s(policy: str) -> None:
    assert list(POLICIES[policy]) == v2.AutoAugment(v2.AutoAugmentPolicy(policy))._policies


def torchvision_chains(name: str, knobs: dict[str, Any], size: tuple[int, int]) -> Counter[tuple[Any, ...]]:
    """The chains of (operation, strength) that torchvision draws, by how often it does."""
    drawn: list[tuple[str, float]] = []
    theirs: Any = reference(name, **knobs)
    theirs._apply_image_or_video_transform = lambda image, operation, strength, **_: (
        drawn.append((operation, strength)) or image  # type: ignore[func-returns-value]
    )
    counts: Counter[tuple[Any, ...]] = Counter()
    torch.manual_seed(1)
    for _ in range(COUNT_TORCHVISION):
        drawn.clear()
        theirs(torch.zeros(3, *size, dtype=torch.uint8))
        counts[tuple(drawn)] += 1
    return counts


def assert_same_frequencies(ours: Counter[Any], theirs: Counter[Any]) -> None:
    """By a chi-square, which needs a few of each: what is rare counts as one."""
    common = [drawn for drawn, count in (ours + theirs).items() if count > 5 * COUNT / COUNT_TORCHVISION]
    table = [[*(counts[drawn] for drawn in common), counts.total()] for counts in (ours, theirs)]
    table = [[*row, all_of_them - sum(row)] for *row, all_of_them in table]
    if not any(row[-1] for row in table):
        table = [row[:-1] for row in table]
    assert len(table[0]) > 1
    assert stats.chi2_contingency(table).pvalue > 0.001


@pytest.mark.parametrize(("name", "knobs"), CASES)
def test_operations_strengths_and_signs_are_drawn_as_torchvision_draws_them(name: str, knobs: dict[str, Any]) -> None:
    size = (40, 57)
    drawn, theirs = draws(name, size, COUNT, **(knobs or {"num_ops": 2})), torchvision_chains(name, knobs, size)
    # AutoAugment leaves out what its probability spares; an identity of the others is drawn like any operation.
    is_drawn = drawn["operation"] > (0 if name == "AutoAugment" else -1)
    ours = Counter(
        tuple((OPERATIONS[operation], strength) for operation, strength, done in zip(*chain, strict=True) if done)
        for chain in zip(drawn["operation"].tolist(), drawn["strength"].tolist(), is_drawn.tolist(), strict=True)
    )
    assert_same_frequencies(ours, theirs)
    if name == "AutoAugment":
        assert set(theirs) <= set(ours)
        return
    for step in range(is_drawn.shape[1]):
        single = [Counter(chain[step] for chain in counts.elements()) for counts in (ours, theirs)]
        assert_same_frequencies(*single)
        assert set(single[0]) == set(single[1])


def test_floats_are_rounded_to_the_256_levels_of_torchvision_s_pictures() -> None:
    images = pictures(40, 20, 16)
    tested = operation("RandAugment", (20, 16))
    drawn = tested.parameters(np.random.default_rng(0).random((40, tested.num_uniforms)))
    made = tested.apply(images, drawn)
    assert made.dtype == torch.uint8
    assert torch.equal(tested.apply(as_float(images), drawn), made)
    assert torch.equal(tested.apply(as_float(images) + 0.4 / 255, drawn), made)


def test_a_randaugment_of_no_operation_changes_nothing() -> None:
    images = pictures(3, 8, 8)
    assert torch.equal(operation("RandAugment", (8, 8), num_ops=0).apply(images, {}), images)
