"""Everything in a photo but the garment: background, wearer, things in front of it, light and noise."""

from __future__ import annotations

import math
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .figure import NECK, WAIST, Figure, arm, leg, mirrored
from .pen import Colour, Pen, any_colour, faded, hsv, shaded, skin_tone

_EXPOSURE = 0.72  # light can only darken an 8-bit picture, so the finished one is divided by this


def background(side: int, rng: Random) -> Image.Image:
    """Draw a studio wall, a blurred room, tiles or boards, with or without clutter: RGB, side x side pixels."""
    kind = rng.random()
    wall = hsv(rng.random(), rng.uniform(0.0, 0.12), rng.uniform(0.8, 1.0)) if kind < 0.7 else any_colour(rng)
    cells = rng.choice((2, 3, 5))
    grid = Image.new("RGB", (cells, cells))
    spread = 0.12 if kind < 0.75 else 0.6
    grid.putdata([shaded(wall, rng.uniform(-spread, spread)) for _ in range(cells * cells)])
    picture = grid.resize((side, side), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture, "RGBA")
    if kind > 0.88:
        _boards(draw, side, shaded(wall, rng.choice((-0.4, 0.3))), rng)
    for _ in range(rng.choice((0, 0, 0, 0, 2, 5))):
        _clutter(draw, side, any_colour(rng), rng)
    return picture


def _boards(draw: ImageDraw.ImageDraw, side: int, colour: Colour, rng: Random) -> None:
    step, width = side * rng.uniform(0.06, 0.25), max(1, round(side * rng.uniform(0.006, 0.05)))
    directions = rng.choice(("x", "y", "xy"))
    for number in range(int(side / step) + 1):
        at = number * step
        if "x" in directions:
            draw.line((at, 0, at, side), fill=colour, width=width)
        if "y" in directions:
            draw.line((0, at, side, at), fill=colour, width=width)


def _clutter(draw: ImageDraw.ImageDraw, side: int, colour: Colour, rng: Random) -> None:
    x, y, size = rng.uniform(0, side), rng.uniform(0, side), side * rng.uniform(0.05, 0.3)
    paint = faded(colour, rng.uniform(0.4, 1.0))
    shape = rng.randrange(4)
    if shape == 0:
        draw.ellipse((x - size, y - size, x + size, y + size * rng.uniform(0.3, 1.0)), fill=paint)
    elif shape == 1:
        draw.rectangle((x - size, y - size, x + size * rng.uniform(0.1, 1.0), y + size), fill=paint)
    elif shape == 2:
        corners = [(x + rng.uniform(-1.5, 1.5) * size, y + rng.uniform(-1.5, 1.5) * size) for _ in range(4)]
        draw.polygon(corners, fill=paint)
    else:
        end = (x + rng.uniform(-3, 3) * size, y + rng.uniform(-3, 3) * size)
        draw.line((x, y, *end), fill=paint, width=max(1, round(size * 0.2)))


def wearer(pen: Pen, figure: Figure, tone: Colour, rng: Random) -> None:
    """Draw the wearer: skin, and clothes that are not the labelled garment."""
    for side in (-1, 1):
        pen.polygon(leg(figure, side, 0.07, 1.08), tone)
    if figure.category not in ("dress", "coat") or rng.random() < 0.3:
        _other_garment(pen, figure, rng)
    for side in (-1, 1):
        pen.polygon(arm(figure, side, 0.92, (0.06, 0.055, 0.045)), tone)
    pen.polygon(mirrored([(0.07, -0.7), (0.08, NECK), (figure.shoulder - 0.05, NECK + 0.07), (0.2, WAIST - 0.1)]), tone)
    hair = hsv(rng.uniform(0.02, 0.13), rng.uniform(0.2, 0.8), rng.uniform(0.05, 0.8))
    pen.oval((0, -0.84), 0.15, rng.uniform(0.16, 0.3), hair)
    pen.oval((0, -0.80), 0.115, 0.15, tone)


def _other_garment(pen: Pen, figure: Figure, rng: Random) -> None:
    colour = any_colour(rng)
    if not figure.is_top:
        half = [
            (0.1, NECK),
            (figure.shoulder, NECK + 0.06),
            (figure.shoulder - 0.06, -0.2),
            (figure.waist + 0.02, 0.06),
        ]
        pen.polygon(mirrored(half), colour)
        if rng.random() < 0.6:
            for side in (-1, 1):
                pen.polygon(arm(figure, side, rng.choice((0.3, 0.7)), (0.12, 0.1, 0.08)), colour)
    elif rng.random() < 0.25:
        pen.polygon(mirrored([(figure.waist, WAIST), (figure.hip, 0.2), (rng.uniform(0.3, 0.5), 0.6)]), colour)
    else:
        hem = rng.choice((0.5, 1.0, 1.0))
        for side in (-1, 1):
            pen.polygon(leg(figure, side, rng.uniform(0.09, 0.15), hem), colour)


def hanger(pen: Pen, figure: Figure, rng: Random) -> None:
    colour, top = hsv(0.08, rng.uniform(0.0, 0.6), rng.uniform(0.2, 0.8)), figure.top
    wide = figure.shoulder if figure.is_top else figure.waist
    pen.line([(-wide * 0.9, top + 0.06), (0, top - 0.09), (wide * 0.9, top + 0.06)], 0.03, colour)
    pen.line([(0, top - 0.09), (0, top - 0.17), (0.05, top - 0.2)], 0.018, colour)


def occlude(picture: Image.Image, rng: Random) -> None:
    """Draw, in some photos, a strap, a bag, a hand or the edge of something close to the camera before the garment."""
    side = picture.width
    draw = ImageDraw.Draw(picture, "RGBA")
    for _ in range(rng.choice((0, 0, 0, 0, 0, 1, 1, 2))):
        colour, x, y = any_colour(rng), side * rng.uniform(0.15, 0.85), side * rng.uniform(0.2, 0.9)
        kind, size = rng.randrange(4), side * rng.uniform(0.07, 0.15)
        if kind == 0:
            ends = (x + side * rng.uniform(-0.4, 0.4), 0, side - x, side)
            draw.line(ends, fill=colour, width=max(1, round(side * rng.uniform(0.02, 0.05))))
        elif kind == 1:
            draw.arc(
                (x - size * 0.6, y - size * 1.8, x + size * 0.6, y), 180, 360, fill=colour, width=max(1, side // 50)
            )
            draw.rounded_rectangle((x - size, y - size, x + size, y + size * 0.9), size * 0.2, fill=colour)
        elif kind == 2:
            _hand(draw, (x, y), size * 0.5, skin_tone(rng), rng)
        else:
            left = rng.random() < 0.5
            edge = side * rng.uniform(0.05, 0.22)
            draw.rectangle((0, 0, edge, side) if left else (side - edge, 0, side, side), fill=colour)


def _hand(draw: ImageDraw.ImageDraw, at: tuple[float, float], size: float, tone: Colour, rng: Random) -> None:
    (x, y), aim = at, rng.uniform(0, 2 * math.pi)
    reach = size * 20
    arm = (x, y, x + reach * math.cos(aim), y + reach * math.sin(aim))
    draw.line(arm, fill=tone, width=round(size * 1.3))
    draw.ellipse((x - size, y - size, x + size, y + size), fill=tone)
    for finger in range(4):
        angle = aim + math.pi + (finger - 1.5) * 0.35
        tip = (x + 2.2 * size * math.cos(angle), y + 2.2 * size * math.sin(angle))
        draw.line((x, y, *tip), fill=shaded(tone, -0.06 * finger), width=max(1, round(size * 0.45)))


def develop(picture: Image.Image, rng: Random) -> Image.Image:
    """Add what a camera does: light from one side, its colour, exposure, sensor noise and sometimes a blur."""
    side = picture.width
    if rng.random() < 0.15:
        picture = picture.filter(ImageFilter.BoxBlur(side * rng.uniform(0.002, 0.008)))
    noise = np.random.default_rng(rng.getrandbits(64))
    cast = np.array([rng.uniform(0.88, 1.0) for _ in range(3)]) * rng.uniform(0.75, 1.0)
    cells = (255 * cast * noise.uniform(0.62, 1.0, (3, 3, 1))).astype(np.uint8)
    light = Image.fromarray(cells).resize((side, side), Image.Resampling.BILINEAR)
    amount = np.float32(rng.choice((1.0, 2.0, 4.0, 7.0)))
    grain = Image.fromarray((128 + amount * noise.standard_normal((side, side), dtype=np.float32)).astype(np.uint8))
    lit = ImageChops.multiply(picture, light)
    return ImageChops.add(lit, Image.merge("RGB", (grain,) * 3), scale=_EXPOSURE, offset=round(-128 / _EXPOSURE))
