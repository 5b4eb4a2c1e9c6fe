"""The measures of a garment, the posture of its wearer, and the outlines that follow from both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from .pen import Point, smoothed

NECK, ARMPIT, WAIST = -0.55, -0.22, 0.0  # heights in garment coordinates

Range = tuple[float, float]

# Half-widths at shoulder, waist and hem, and the height of the hem. Ranges of similar garments overlap on purpose.
_TOPS: dict[str, tuple[Range, Range, Range, Range]] = {
    "t-shirt": ((0.34, 0.44), (0.28, 0.40), (0.29, 0.42), (0.08, 0.30)),
    "blouse": ((0.30, 0.38), (0.21, 0.30), (0.34, 0.50), (0.08, 0.30)),
    "shirt": ((0.35, 0.44), (0.28, 0.36), (0.29, 0.38), (0.22, 0.42)),
    "hoodie": ((0.38, 0.48), (0.34, 0.45), (0.32, 0.43), (0.12, 0.32)),
    "jacket": ((0.38, 0.48), (0.32, 0.42), (0.36, 0.48), (0.04, 0.40)),
    "coat": ((0.37, 0.48), (0.30, 0.43), (0.40, 0.58), (0.46, 0.92)),
    "dress": ((0.29, 0.40), (0.20, 0.32), (0.38, 0.72), (0.42, 0.95)),
}
# Half-widths at waist and hip, half-width of the hem (of one leg, but for a skirt), and the height of the hem.
_BOTTOMS: dict[str, tuple[Range, Range, Range, Range]] = {
    "skirt": ((0.22, 0.31), (0.29, 0.38), (0.30, 0.68), (0.34, 0.95)),
    "trousers": ((0.22, 0.31), (0.27, 0.36), (0.07, 0.19), (0.76, 1.06)),
    "shorts": ((0.22, 0.31), (0.28, 0.37), (0.14, 0.22), (0.32, 0.60)),
}


@dataclass(frozen=True)
class Figure:
    """Half-widths and heights of a garment, and the wearer's posture (angles in radians from straight down)."""

    category: str
    shoulder: float
    chest: float
    waist: float
    hip: float
    hem_width: float
    hem: float
    crotch: float
    spread: float  # of the feet
    neck: float  # half-width of the neckline
    neckline: float  # height of its lowest point
    sleeve: float  # length
    cuff: float  # half-width
    arms: tuple[tuple[float, float], tuple[float, float]]  # left and right: upper arm, forearm

    @property
    def is_top(self) -> bool:
        return self.category in _TOPS

    @property
    def top(self) -> float:
        return NECK if self.is_top else WAIST


def _sleeve(category: str, attributes: frozenset[str], rng: Random) -> tuple[float, float]:
    """Sample the length, and the half-width of the cuff."""
    if category in _BOTTOMS or "sleeveless" in attributes:
        return 0.0, 0.0
    if "long_sleeves" in attributes:
        wide = 0.17 if category == "blouse" else 0.11
        return rng.uniform(0.56, 0.80), rng.uniform(0.07, wide)
    return rng.uniform(0.20, 0.40), rng.uniform(0.10, 0.14)


def sample_figure(category: str, attributes: frozenset[str], rng: Random) -> Figure:
    first, second, third, fourth = (rng.uniform(*limits) for limits in {**_TOPS, **_BOTTOMS}[category])
    is_top = category in _TOPS
    shoulder, waist = (first, second) if is_top else (rng.uniform(0.33, 0.44), first)
    hip = max(waist + 0.05, rng.uniform(0.27, 0.35)) if is_top else second
    raised = rng.random() < 0.07
    angles = [math.radians(rng.uniform(75, 150) if raised else rng.uniform(6, 55)) for _ in "lr"]
    bends = [math.radians(rng.uniform(-45, 20)) for _ in "lr"]
    if rng.random() < 0.6:  # most postures are nearly symmetric
        angles[1], bends[1] = angles[0] + rng.gauss(0, 0.06), bends[0] + rng.gauss(0, 0.06)
    deep = rng.uniform(0.28, 0.42) if "v_neck" in attributes else rng.uniform(0.05, 0.15)
    crotch, spread, neck = rng.uniform(0.22, 0.34), rng.uniform(0.0, 0.16), rng.uniform(0.10, 0.17)
    sleeve, cuff = _sleeve(category, attributes, rng)
    return Figure(
        category=category,
        shoulder=shoulder,
        chest=(shoulder + waist) / 2 + 0.02,
        waist=waist,
        hip=hip,
        hem_width=third,
        hem=fourth,
        crotch=min(crotch, fourth - 0.06),
        spread=spread,
        neck=neck,
        neckline=NECK + deep,
        sleeve=sleeve,
        cuff=cuff,
        arms=((angles[0], angles[0] + bends[0]), (angles[1], angles[1] + bends[1])),
    )


def mirrored(right: list[Point]) -> list[Point]:
    """Complete a closed outline from its right half, whose points run from top to bottom."""
    return right + [(-x, y) for x, y in reversed(right)]


def arm(figure: Figure, side: int, length: float, widths: tuple[float, float, float]) -> list[Point]:
    """Outline of an arm or sleeve (side -1: left, 1: right), from its half-widths at shoulder, elbow and end."""
    upper, fore = figure.arms[(side + 1) // 2]
    x, y = side * (figure.shoulder - 0.07), NECK + 0.16
    joints = [(x, y)]
    for angle in (upper, fore):
        x, y = x + side * math.sin(angle) * length / 2, y + math.cos(angle) * length / 2
        joints.append((x, y))
    outer, inner = [], []
    for (u, v), angle, width in zip(joints, (upper, (upper + fore) / 2, fore), widths, strict=True):
        across, along = side * math.cos(angle) * width, -math.sin(angle) * width
        outer.append((u + across, v + along))
        inner.append((u - across, v - along))
    return outer + inner[::-1]


def leg(figure: Figure, side: int, half_width: float, hem: float) -> list[Point]:
    """Outline of one leg, from the waist down to `hem`; the two legs meet in the middle above the crotch."""
    foot = 0.15 + figure.spread * hem
    return [
        (0.0, WAIST),
        (side * figure.waist, WAIST),
        (side * figure.hip, 0.2),
        (side * (foot + half_width), hem),
        (side * max(foot - half_width, 0.01), hem),
        (0.0, figure.crotch),
    ]


def layers(figure: Figure) -> list[list[list[Point]]]:
    """Outlines of the pieces of cloth, in layers: the last layer is the body, on top of the sleeves."""
    if figure.category == "skirt":
        half = [(figure.waist, WAIST), (figure.hip, 0.16), (figure.hem_width, figure.hem)]
        return [[mirrored(half)]]
    if not figure.is_top:
        return [[leg(figure, side, figure.hem_width, figure.hem) for side in (-1, 1)]]
    waist = min(WAIST, figure.hem - 0.12)
    half = [
        (figure.neck, NECK),
        (figure.shoulder, NECK + 0.06),
        (figure.chest, ARMPIT),
        (figure.waist, waist),
        (figure.hem_width, figure.hem),
    ]
    widths = (0.13, 0.105 if figure.sleeve > 0.45 else 0.12, figure.cuff)
    sleeves = [smoothed(arm(figure, side, figure.sleeve, widths)) for side in (-1, 1)]
    return [sleeves, [mirrored(half)]] if figure.sleeve else [[mirrored(half)]]
