"""Colours, the pose of a garment, and a pen that draws in garment coordinates."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw

Point = tuple[float, float]
Colour = tuple[int, ...]  # red, green, blue and perhaps alpha, each 0 to 255


def hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return round(255 * red), round(255 * green), round(255 * blue)


def any_colour(rng: Random) -> Colour:
    """Sample a colour of any hue; greys, blacks and whites are as common as bright colours."""
    return hsv(rng.random(), rng.choice((0.05, 0.25, 0.5, 0.8)) * rng.uniform(0.6, 1.2), rng.uniform(0.15, 0.97))


def skin_tone(rng: Random) -> Colour:
    return hsv(rng.uniform(0.03, 0.09), rng.uniform(0.25, 0.6), rng.uniform(0.35, 0.97))


def shaded(colour: Colour, amount: float) -> Colour:
    """Mix a colour with white for a positive amount, with black for a negative one; 1 is white, -1 black."""
    end = 255 if amount > 0 else 0
    return tuple(round(part + (end - part) * abs(amount)) for part in colour[:3])


def contrasting(colour: Colour, amount: float) -> Colour:
    """A lighter colour than a dark one, a darker colour than a light one."""
    return shaded(colour, amount if sum(colour[:3]) < 380 else -amount)


def faded(colour: Colour, alpha: float) -> Colour:
    return (*colour[:3], round(255 * alpha))


def smoothed(points: Sequence[Point]) -> list[Point]:
    """Cut the corners of a closed outline (Chaikin, 1974)."""
    cut = []
    for (x, y), (u, v) in zip(points, [*points[1:], points[0]], strict=True):
        cut += [(0.75 * x + 0.25 * u, 0.75 * y + 0.25 * v), (0.25 * x + 0.75 * u, 0.25 * y + 0.75 * v)]
    return cut


def box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    """The corners of an upright rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


@dataclass(frozen=True)
class Pose:
    """Garment coordinates to pixels: bent, then stretched, sheared, turned and shifted.

    Garment coordinates: x to the right, 0 in the middle; y downwards,
    -0.55 at the neck, 0 at the waist, 1 at the ankle.
    """

    centre: Point
    matrix: tuple[float, float, float, float]  # row by row, in pixels a unit
    shift: Point  # pixels
    bend: float

    def place(self, points: Sequence[Point]) -> list[Point]:
        (a, b, c, d), (left, top), (x_mid, y_mid) = self.matrix, self.shift, self.centre
        placed = []
        for x, y in points:
            down = y - y_mid
            right = x - x_mid + self.bend * down * down
            placed.append((a * right + b * down + left, c * right + d * down + top))
        return placed

    @property
    def unit_pixels(self) -> float:
        """Size of one garment unit in pixels."""
        a, b, c, d = self.matrix
        return math.sqrt(abs(a * d - b * c))


def sample_pose(outline: Sequence[Point], side: int, rng: Random) -> Pose:
    """Sample a pose in which the outline fills most of an image of side x side pixels."""
    xs, ys = [x for x, _ in outline], [y for _, y in outline]
    width, height = max(xs) - min(xs), max(ys) - min(ys)
    scale = (
        side * rng.uniform(0.84, 1.0) * (1.0 if rng.random() < 0.9 else rng.uniform(0.65, 1.25)) / max(width, height)
    )
    turn = math.radians(rng.gauss(0, 5) if rng.random() < 0.94 else rng.uniform(-40, 40))
    stretch, shear = rng.uniform(0.88, 1.12), rng.gauss(0, 0.06)
    cos, sin = math.cos(turn), math.sin(turn)
    matrix = (
        scale * stretch * cos,
        scale * (shear * cos - sin),
        scale * stretch * sin,
        scale * (shear * sin + cos),
    )
    shift = (side * (0.5 + rng.gauss(0, 0.02)), side * (0.5 + rng.gauss(0, 0.02)))
    return Pose(((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2), matrix, shift, rng.gauss(0, 0.05))


class Pen:
    """Draws on an RGB or L image in garment coordinates; a colour's alpha blends."""

    def __init__(self, image: Image.Image, pose: Pose) -> None:
        self._draw = ImageDraw.Draw(image, "RGBA" if image.mode == "RGB" else None)
        self._pose = pose

    def polygon(self, points: Sequence[Point], colour: Colour | int) -> None:
        self._draw.polygon(self._pose.place(points), fill=colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """A line of `width` garment units, at least one pixel wide."""
        self._draw.line(self._pose.place(points), fill=colour, width=max(1, round(width * self._pose.unit_pixels)))

    def dot(self, centre: Point, radius: float, colour: Colour) -> None:
        [(x, y)] = self._pose.place([centre])
        size = radius * self._pose.unit_pixels
        self._draw.ellipse((x - size, y - size, x + size, y + size), fill=colour)

    def oval(self, centre: Point, across: float, down: float, colour: Colour | int) -> None:
        """An ellipse of the given half-axes that follows the pose."""
        (x, y), corners = centre, 14
        angles = (2 * math.pi * corner / corners for corner in range(corners))
        self.polygon([(x + across * math.cos(angle), y + down * math.sin(angle)) for angle in angles], colour)
