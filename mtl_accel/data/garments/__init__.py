"""Photos of garments, drawn by Pillow from a category, its attributes and a stream of random numbers."""

from __future__ import annotations

from random import Random

from PIL import Image

from .details import DETAILS, Sewing, neckline
from .fabric import cloth_colour, cut, weave
from .figure import layers, sample_figure
from .pen import Pen, sample_pose, shaded, skin
from .scenery import background, develop, hanger, occlude, wearer

__all__ = ["draw"]

_SUPERSAMPLED_BELOW = 512  # pixels; a larger picture hides its jagged edges by itself


def draw(category: str, attributes: frozenset[str], image_size: int, rng: Random) -> Image.Image:
    """An RGB image of image_size x image_size pixels; a pure function of its arguments and of the state of `rng`."""
    reduction = 2 if image_size < _SUPERSAMPLED_BELOW else 1
    side = reduction * image_size
    figure = sample_figure(category, attributes, rng)
    pieces = layers(figure)
    pose = sample_pose([point for layer in pieces for outline in layer for point in outline], side, rng)
    picture = background(side, rng)
    pen = Pen(picture, pose)
    base, tone = cloth_colour(category, rng), skin(rng)
    worn = rng.random() < 0.6
    if worn:
        wearer(pen, figure, tone, rng)
    elif rng.random() < 0.5:
        hanger(pen, figure, rng)
    cut(picture, weave(base, attributes, side, pose, rng), base, pieces, pose, rng)
    sewing = Sewing(pen, figure, base, tone if worn else shaded(base, -0.5), rng)
    if figure.is_top:
        neckline(sewing, attributes)
    for name, sew in DETAILS.items():
        if name in attributes:
            sew(sewing)
    occlude(picture, rng)
    return develop(picture.reduce(reduction), rng)
