"""Draws photos of garments with Pillow, from a category, attributes and a stream of random numbers."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from PIL import Image

from .details import DETAILS, Sewing, front, neckline
from .fabric import cloth_colour, cut, weave
from .figure import layers, sample_figure
from .pen import Colour, Pen, sample_pose, shaded, skin_tone
from .scenery import background, develop, hanger, occlude, wearer

__all__ = ["cloth_colour_of", "draw"]

_SUPERSAMPLED_BELOW = 512  # pixels; jagged edges do not show in a larger picture


class _Streams(NamedTuple):
    """A stream for each step, so that another attribute changes the garment and nothing else in the picture."""

    shape: Random
    posing: Random
    scene: Random
    colours: Random
    cloth: Random
    thread: Random
    camera: Random

    @classmethod
    def sample(cls, rng: Random) -> _Streams:
        return cls(*(Random(rng.getrandbits(64)) for _ in cls._fields))


def cloth_colour_of(category: str, rng: Random) -> Colour:
    """Colour of the cloth in the picture that `draw` makes of the same state of `rng`."""
    return cloth_colour(category, _Streams.sample(rng).colours)


def draw(category: str, attributes: frozenset[str], image_size: int, rng: Random) -> Image.Image:
    """Draw an RGB image of image_size x image_size pixels: a pure function of the arguments and the state of `rng`."""
    reduction = 2 if image_size < _SUPERSAMPLED_BELOW else 1
    side = reduction * image_size
    shape, posing, scene, colours, cloth, thread, camera = _Streams.sample(rng)
    figure = sample_figure(category, attributes, shape)
    pieces = layers(figure)
    pose = sample_pose([point for layer in pieces for outline in layer for point in outline], side, posing)
    picture = background(side, scene)
    pen = Pen(picture, pose)
    base, tone = cloth_colour(category, colours), skin_tone(colours)
    worn = scene.random() < 0.5
    if worn:
        wearer(pen, figure, tone, scene)
    elif scene.random() < 0.5:
        hanger(pen, figure, scene)
    cut(picture, weave(base, attributes, side, pose, cloth), base, pieces, pose, colours)
    sewing = Sewing(pen, figure, base, tone if worn else shaded(base, -0.5), thread)
    if figure.is_top:
        neckline(sewing, attributes)
    if category in ("jacket", "coat") and not attributes & {"buttons", "zip"}:
        front(sewing)
    for name, draw_detail in DETAILS.items():
        if name in attributes:
            draw_detail(sewing)
    occlude(picture, camera)
    return develop(picture.reduce(reduction), camera)
