"""The colours of the page, in light and in dark, and the marks that tell runs apart without colour."""

from __future__ import annotations

from typing import NamedTuple


class Colour(NamedTuple):
    """A CSS variable and its values. Figures are drawn with `light`, which the page exchanges for the variable."""

    variable: str
    light: str
    dark: str


INK = Colour("--ink", "#1b1f24", "#e8eaed")
MUTED = Colour("--muted", "#5a6472", "#a3adba")
GRID = Colour("--grid", "#dfe3e8", "#343b44")
PAPER = Colour("--paper", "#ffffff", "#15181c")
CARD = Colour("--card", "#f6f7f9", "#1e2329")
ACCENT = Colour("--accent", "#1460aa", "#6db3f8")
# At least 3.1 : 1 on the paper, and 33 apart (CIE 1976) for normal vision and each kind of colour blindness.
RUNS = (
    Colour("--run-0", "#142989", "#5a81cc"),
    Colour("--run-1", "#e56975", "#c56181"),
    Colour("--run-2", "#9a8900", "#f1c231"),
    Colour("--run-3", "#4793e6", "#57f3fc"),
    Colour("--run-4", "#740007", "#868737"),
    Colour("--run-5", "#562345", "#ccf1b2"),
)
COLOURS = (INK, MUTED, GRID, PAPER, CARD, ACCENT, *RUNS)
# matplotlib's marker and the sign that the legend shows for it. Five beside six colours make thirty pairs.
MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"))


class Mark(NamedTuple):
    """How a run looks in every figure."""

    colour: Colour
    marker: str
    sign: str


def mark(number: int) -> Mark:
    """Of a run by its place in the report, from 0."""
    marker, sign = MARKERS[number % len(MARKERS)]
    return Mark(RUNS[number % len(RUNS)], marker, sign)


def css(theme: str) -> str:
    """The variables of one theme, "light" or "dark"."""
    return " ".join(f"{colour.variable}: {getattr(colour, theme)};" for colour in COLOURS)
