"""Cloth: colours, patterns and folds, drawn over the whole picture and then cut to the outline of the garment."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from PIL import Image

from .pen import Colour, Pen, Point, Pose, any_colour, box, contrasting, faded, hsv, shaded

_REACH = 1.3  # patterns cover garment coordinates from -_REACH to _REACH


def cloth_colour(category: str, rng: Random) -> Colour:
    """Sample any colour, with a weak preference in some categories: denim trousers, dark coats, light shirts."""
    habit = rng.random()
    if category in ("trousers", "shorts", "jacket") and habit < 0.35:
        return hsv(rng.uniform(0.56, 0.64), rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.75))
    if category in ("coat", "jacket", "trousers") and habit < 0.65:
        return hsv(rng.random(), rng.uniform(0.0, 0.3), rng.uniform(0.1, 0.4))
    if category in ("shirt", "blouse", "t-shirt") and habit < 0.3:
        return hsv(rng.random(), rng.uniform(0.0, 0.12), rng.uniform(0.8, 0.98))
    return any_colour(rng)


def _turned(points: list[Point], angle: float) -> list[Point]:
    cos, sin = math.cos(angle), math.sin(angle)
    return [(cos * x - sin * y, sin * x + cos * y) for x, y in points]


def _bands(pen: Pen, colour: Colour, step: float, share: float, angle: float) -> None:
    """Draw parallel bands, one in each `step`, of the width `share` * `step`; at an angle of 0 they are horizontal."""
    for number in range(round(-_REACH / step), round(_REACH / step) + 1):
        low, high = number * step, (number + share) * step
        pen.polygon(_turned(box(-_REACH, low, _REACH, high), angle), colour)


def _ink(base: Colour, rng: Random, any_share: float, min_contrast: float) -> Colour:
    """Sample the colour of a pattern: any colour in `any_share` of the cases, else a contrast to the cloth."""
    return any_colour(rng) if rng.random() < any_share else contrasting(base, rng.uniform(min_contrast, 0.95))


def stripes(pen: Pen, base: Colour, rng: Random) -> None:
    ink = _ink(base, rng, 0.2, 0.55)
    angle = rng.choice((0.0, 0.0, 0.5 * math.pi, 0.5 * math.pi, 0.25 * math.pi)) + rng.gauss(0, 0.03)
    _bands(pen, ink, rng.uniform(0.12, 0.26), rng.uniform(0.35, 0.55), angle)


def checks(pen: Pen, base: Colour, rng: Random) -> None:
    ink = _ink(base, rng, 0.2, 0.55)
    step, angle = rng.uniform(0.15, 0.30), rng.choice((0.0, 0.0, 0.25 * math.pi)) + rng.gauss(0, 0.03)
    for turn in (0.0, 0.5 * math.pi):
        _bands(pen, faded(ink, 0.65), step, rng.uniform(0.3, 0.5), angle + turn)
        if rng.random() < 0.4:
            _bands(pen, faded(contrasting(base, 0.9), 0.7), step, 0.08, angle + turn)


def dots(pen: Pen, base: Colour, rng: Random) -> None:
    ink = _ink(base, rng, 0.3, 0.5)
    step = rng.uniform(0.14, 0.25)
    radius, count = step * rng.uniform(0.26, 0.36), round(_REACH / step)
    for row in range(-count, count + 1):
        for column in range(-count // 2 - 1, count // 2 + 2):
            pen.dot((step * (column + 0.5 * (row % 2)), step * row * 0.87), radius, ink)


def flowers(pen: Pen, base: Colour, rng: Random) -> None:
    """Draw scattered flowers: no attribute, but easily mistaken for dots."""
    inks = [any_colour(rng) for _ in range(3)]
    for _ in range(rng.randint(25, 60)):
        centre = (rng.uniform(-0.7, 0.7), rng.uniform(-0.7, 1.0))
        pen.oval(centre, rng.uniform(0.02, 0.06), rng.uniform(0.02, 0.06), rng.choice(inks))


def blocks(pen: Pen, base: Colour, rng: Random) -> None:
    """Draw one broad band: no attribute, but easily mistaken for stripes."""
    low = rng.uniform(-0.4, 0.4)
    high = low + rng.uniform(0.1, 0.5)
    pen.polygon(box(-_REACH, low, _REACH, high), any_colour(rng))


def _folds(pen: Pen, rng: Random) -> None:
    for _ in range(rng.randint(2, 7)):
        x, y = rng.uniform(-0.4, 0.4), rng.uniform(-0.5, 0.8)
        u, v = x + rng.gauss(0, 0.12), y + rng.uniform(0.15, 0.5)
        width, tone = rng.uniform(0.02, 0.07), (0 if rng.random() < 0.65 else 255,) * 3
        pen.polygon([(x, y), (x + width, y), (u, v)], faded(tone, rng.uniform(0.08, 0.28)))


_PATTERNS: dict[str, Callable[[Pen, Colour, Random], None]] = {"stripes": stripes, "checks": checks, "dots": dots}


def weave(base: Colour, attributes: frozenset[str], side: int, pose: Pose, rng: Random) -> Image.Image:
    """Draw a picture of side x side pixels that is all cloth: base colour, pattern and folds."""
    cloth = Image.new("RGB", (side, side), base)
    pen = Pen(cloth, pose)
    present = [name for name in _PATTERNS if name in attributes]
    for name in present:
        _PATTERNS[name](pen, base, rng)
    if not present and rng.random() < 0.12:
        rng.choice((flowers, blocks))(pen, base, rng)
    _folds(pen, rng)
    return cloth


def cut(
    picture: Image.Image, cloth: Image.Image, base: Colour, layers: list[list[list[Point]]], pose: Pose, rng: Random
) -> None:
    """Cut the layers out of the cloth and paste them on the picture; those below the last one are in its shadow."""
    seam = faded(shaded(base, -0.75), rng.uniform(0.25, 0.8))
    dim = faded((0, 0, 0), rng.uniform(0.0, 0.2))
    for layer in layers:
        mask = Image.new("L", picture.size)
        piece = cloth if layer is layers[-1] else cloth.copy()
        pen, scissors = Pen(piece, pose), Pen(mask, pose)
        for outline in layer:
            scissors.polygon(outline, 255)
            if layer is not layers[-1]:
                pen.polygon(outline, dim)
            pen.line([*outline, outline[0]], 0.02, seam)
        picture.paste(piece, mask=mask)
