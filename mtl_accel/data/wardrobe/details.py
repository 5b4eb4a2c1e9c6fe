"""Details of a garment: each attribute that is a thing of its own, drawn on the finished cloth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from .figure import NECK, WAIST, Figure, mirrored
from .pen import Colour, Pen, Point, any_colour, box, contrasting, faded, hsv, shaded


@dataclass(frozen=True)
class Sewing:
    """The garment that details are drawn on. `inside` is the colour in the neck: skin, or the back of the cloth."""

    pen: Pen
    figure: Figure
    base: Colour
    inside: Colour
    rng: Random

    @property
    def trim(self) -> Colour:
        """Sample a shade of the cloth that contrasts with it, or any colour."""
        own = contrasting(self.base, self.rng.uniform(0.5, 0.9))
        return any_colour(self.rng) if self.rng.random() < 0.25 else own

    @property
    def seam(self) -> Colour:
        return faded(shaded(self.base, -0.8) if sum(self.base) > 150 else shaded(self.base, 0.5), 0.75)

    def stitch(self, points: Sequence[Point], width: float = 0.016) -> None:
        self.pen.line(points, width, self.seam)

    def sew_on(self, outline: Sequence[Point], colour: Colour) -> None:
        """Draw a piece of cloth with a seam around it."""
        self.pen.polygon(outline, colour)
        self.stitch([*outline, outline[0]])


def neckline(sewing: Sewing, attributes: frozenset[str]) -> None:
    neck, low = sewing.figure.neck, sewing.figure.neckline
    sharp = [(neck, NECK - 0.01), (0.0, low)]
    opening = sharp if "v_neck" in attributes else [(neck, NECK - 0.01), (neck * 0.65, low - 0.015), (0.0, low)]
    edge = mirrored(opening)
    sewing.pen.polygon(edge, sewing.inside)
    sewing.stitch(edge[: len(edge) // 2])
    sewing.stitch(edge[len(edge) // 2 :])


def front(sewing: Sewing) -> None:
    """Draw the open front of a jacket or coat without buttons and zip, and the garment below it."""
    figure = sewing.figure
    low, gap = figure.hem, sewing.rng.uniform(0.02, 0.16)
    wedge = [(-0.02, figure.neckline - 0.02), (0.02, figure.neckline - 0.02), (gap, low), (-gap, low)]
    sewing.pen.polygon(wedge, any_colour(sewing.rng))
    for side in (-1, 1):
        sewing.stitch([(side * 0.02, figure.neckline), (side * gap, low)], 0.02)


def hood(sewing: Sewing) -> None:
    pen, rng = sewing.pen, sewing.rng
    shadow = shaded(sewing.base, -0.45)
    if rng.random() < 0.5:  # up, around the face
        pen.oval((0, -0.73), 0.21, 0.25, shaded(sewing.base, -0.12))
        pen.oval((0, -0.71), 0.13, 0.17, shadow)
        pen.oval((0, -0.70), 0.11, 0.14, sewing.inside)
    else:
        pen.oval((0, NECK - 0.02), rng.uniform(0.22, 0.28), rng.uniform(0.10, 0.15), shaded(sewing.base, -0.15))
        pen.oval((0, NECK + 0.01), 0.14, 0.07, shadow)
    if rng.random() < 0.6:
        for side in (-1, 1):
            pen.line([(side * 0.06, NECK + 0.1), (side * 0.07, NECK + rng.uniform(0.25, 0.35))], 0.015, (235, 235, 230))


def collar(sewing: Sewing) -> None:
    figure, rng = sewing.figure, sewing.rng
    long = 0.24 if figure.category in ("coat", "jacket") else 0.15
    tip, broad = NECK + rng.uniform(0.6, 1.2) * long + 0.03, figure.neck + rng.uniform(0.05, 0.11)
    own = shaded(sewing.base, rng.choice((-0.2, 0.25)))
    colour = hsv(0.1, 0.02, 0.95) if rng.random() < 0.15 else own
    for side in (-1, 1):
        wing = [(side * 0.05, NECK - 0.06), (side * (figure.neck + 0.02), NECK - 0.04), (side * broad, tip)]
        wing.append((0.0, figure.neckline + 0.02))
        sewing.sew_on(wing, colour)


def _opening(figure: Figure) -> tuple[float, float]:
    """Top and bottom of the zip, or of the row of buttons."""
    if figure.is_top:
        return figure.neckline + 0.03, figure.hem - 0.02
    return WAIST + 0.04, figure.hem - 0.03 if figure.category == "skirt" else WAIST + 0.22


def buttons(sewing: Sewing) -> None:
    pen, rng = sewing.pen, sewing.rng
    top, bottom = _opening(sewing.figure)
    count, radius, colour = rng.randint(4, 8), rng.uniform(0.022, 0.036), sewing.trim
    if sewing.figure.category not in ("dress", "skirt") and bottom > top:
        sewing.stitch([(-0.035, top), (-0.035, bottom)], 0.01)
    columns = (-0.08, 0.08) if sewing.figure.category in ("coat", "jacket") and rng.random() < 0.35 else (0.0,)
    for column in columns:
        for number in range(count):
            centre = (column, top + (bottom - top) * (number + 0.3) / count)
            pen.dot(centre, radius * 1.25, shaded(sewing.base, -0.5))
            pen.dot(centre, radius, colour)


def zip_(sewing: Sewing) -> None:
    pen, rng = sewing.pen, sewing.rng
    top, bottom = _opening(sewing.figure)
    metal = hsv(0.12, rng.choice((0.05, 0.5)), rng.uniform(0.6, 0.95))
    pen.line([(0.0, top), (0.0, bottom)], rng.uniform(0.045, 0.065), shaded(sewing.base, -0.6))
    pen.line([(0.0, top), (0.0, bottom)], rng.uniform(0.016, 0.028), metal)
    pen.dot((0.0, top + rng.uniform(0.0, 0.6) * (bottom - top)), 0.03, metal)


def pockets(sewing: Sewing) -> None:
    figure, rng = sewing.figure, sewing.rng
    fill = shaded(sewing.base, rng.choice((-0.25, -0.12, 0.15)))
    if figure.category == "hoodie":
        low = figure.hem - 0.05
        sewing.sew_on(mirrored([(0.12, low - 0.2), (0.24, low - 0.06), (0.24, low)]), fill)
        return
    chest = figure.is_top and rng.random() < 0.35
    y = NECK + 0.26 if chest else (figure.hem * 0.45 if figure.category in ("coat", "dress") else figure.hem - 0.24)
    x, width, height = (0.17 if chest else 0.19), rng.uniform(0.12, 0.16), rng.uniform(0.12, 0.16)
    if not figure.is_top:
        x, y = 0.16, 0.1
    for side in (-1, 1) if rng.random() < 0.8 else (1,):
        left, right = side * x - width / 2, side * x + width / 2
        sewing.sew_on(box(left, y, right, y + height), fill)
        if rng.random() < 0.5:
            sewing.stitch([(left, y + 0.03), (right, y + 0.03)], 0.03)


def belt(sewing: Sewing) -> None:
    figure, rng = sewing.figure, sewing.rng
    y, half = (WAIST if figure.is_top else WAIST + 0.01), rng.uniform(0.04, 0.06)
    wide = figure.waist * 1.04
    leather = hsv(rng.uniform(0.03, 0.1), rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.6))
    colour = leather if rng.random() < 0.5 else sewing.trim
    sewing.pen.polygon(box(-wide, y - half, wide, y + half), colour)
    if rng.random() < 0.75:  # a buckle
        sewing.pen.polygon(box(-0.045, y - half, 0.045, y + half), hsv(0.13, 0.45, 0.9))
    else:  # tied
        sewing.pen.line([(0.0, y), (rng.uniform(-0.1, 0.1), y + 0.22)], 0.035, colour)


def print_(sewing: Sewing) -> None:
    pen, rng = sewing.pen, sewing.rng
    x, y, size = rng.gauss(0, 0.02), rng.uniform(-0.2, -0.08), rng.uniform(0.12, 0.19)
    colour = any_colour(rng) if rng.random() < 0.5 else contrasting(sewing.base, 0.8)
    shape = rng.randrange(4)
    if shape == 0:
        pen.oval((x, y), size, size, colour)
        pen.oval((x, y), size * 0.5, size * 0.5, sewing.trim)
    elif shape == 1:
        pen.polygon([(x, y - size), (x + size, y + 0.7 * size), (x - size, y + 0.7 * size)], colour)
    elif shape == 2:
        pen.polygon(box(x - size, y - size * 0.7, x + size, y + size), colour)
    else:  # a line of writing
        for letter in range(5):
            left = x + size * (0.6 * letter - 1.4)
            stroke = [(left, y + rng.uniform(0.0, 0.06)), (left + 0.2 * size, y - rng.uniform(0.02, 0.08))]
            pen.line(stroke, 0.03, colour)


def pleats(sewing: Sewing) -> None:
    figure, rng = sewing.figure, sewing.rng
    count, alpha = rng.randint(5, 9), rng.uniform(0.4, 0.75)
    for number in range(-count, count + 1):
        x = number / (count + 0.5)
        high, low = x * figure.waist * 0.95, x * figure.hem_width * 0.97
        top, bottom = WAIST + 0.03, figure.hem
        sewing.pen.line([(high, top), (low, bottom)], 0.016, faded((0, 0, 0), alpha))
        sewing.pen.line([(high + 0.015, top), (low + 0.02, bottom)], 0.012, faded((255, 255, 255), alpha / 2))


def ruffles(sewing: Sewing) -> None:
    figure, rng = sewing.figure, sewing.rng
    light, edge = shaded(sewing.base, 0.3), shaded(sewing.base, -0.4)
    if figure.category == "blouse":
        second = (NECK + 0.2, figure.chest * 0.7)
    else:
        second = (figure.hem - rng.uniform(0.12, 0.2), figure.hem_width * 0.9)
    for y, wide in ((figure.hem, figure.hem_width), second):
        count = rng.randint(5, 8)
        for number in range(-count, count + 1):
            centre, radius = (wide * number / count, y), 0.62 * wide / count
            sewing.pen.dot(centre, radius * 1.25, edge)
            sewing.pen.dot((centre[0], y - 0.008), radius, light)


# In the order of drawing: a belt is over pockets, a collar over buttons.
DETAILS: dict[str, Callable[[Sewing], None]] = {
    "pleats": pleats,
    "ruffles": ruffles,
    "print": print_,
    "pockets": pockets,
    "zip": zip_,
    "buttons": buttons,
    "collar": collar,
    "hood": hood,
    "belt": belt,
}
