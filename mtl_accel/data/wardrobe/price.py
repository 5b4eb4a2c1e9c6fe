"""The price of a garment: a number that depends on what the picture shows, for regression tasks."""

from __future__ import annotations

import math
from random import Random

from .pen import Colour

# Of a plain garment in a white cloth, in yen: by the cloth that it takes, more than by the work.
_PLAIN = {
    "t-shirt": 14_000,
    "blouse": 15_500,
    "shirt": 17_000,
    "hoodie": 17_000,
    "jacket": 18_500,
    "coat": 31_000,
    "dress": 34_000,
    "skirt": 11_500,
    "trousers": 28_000,
    "shorts": 6_500,
}
# What pattern, cut and sewing multiply it by.
_FACTORS = {
    "checks": 1.15,
    "stripes": 1.08,
    "dots": 1.1,
    "print": 0.93,
    "pleats": 1.12,
    "ruffles": 1.08,
    "long_sleeves": 1.06,
    "sleeveless": 0.95,
    "buttons": 1.05,
    "zip": 1.05,
    "pockets": 1.03,
    "belt": 1.05,
}
_DARKEST = 1.6  # what a black cloth multiplies it by, beside a white one: its dye
_NOISE = 0.1  # deviation of the logarithm
_STEP = 10


def sample_price(category: str, attributes: frozenset[str], cloth: Colour, rng: Random) -> int:
    """Sample the price of a garment as it is drawn: the product of its factors and of noise, rounded to tens.

    Args:
        cloth: colour of the fabric below its pattern.
    """
    factor = math.prod(_FACTORS[name] for name in sorted(attributes & _FACTORS.keys()))
    darkness = 1 - sum(cloth[:3]) / (3 * 255)
    price = _PLAIN[category] * factor * _DARKEST**darkness * math.exp(rng.gauss(0, _NOISE))
    return round(price / _STEP) * _STEP
