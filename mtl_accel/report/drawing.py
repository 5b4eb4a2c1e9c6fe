"""Figures of the page as SVG images, and how a run looks in each of them.

A figure is drawn once, for a light page on a transparent ground. In the dark report.css inverts it and turns its hues
back, and the same is done to the signs of the runs.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from .text import legible

INK, MUTED, GRID, ACCENT = "#1b1f24", "#5a6472", "#c4cad2", "#1460aa"
# At least 3.1 : 1 on the paper, and 37 apart (CIE 1976) for normal vision and each kind of colour blindness, on a light
# page and inverted on a dark one.
RUN_COLOURS = ("#02235a", "#f56401", "#4c9eba", "#502300", "#9464ef", "#be866e")
# matplotlib's marker and the sign that the legend shows for it. Five beside six colours make thirty pairs.
MARKERS = (("o", "●"), ("s", "■"), ("^", "▲"), ("D", "◆"), ("v", "▼"))
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text, in fonts that the reader has and this machine has not
    "svg.hashsalt": "mtl_accel",  # else ids are drawn anew each time
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "text.parse_math": False,  # a dollar in a name is a dollar
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
}


class Mark(NamedTuple):
    """How a run looks in every figure."""

    colour: str
    marker: str
    sign: str


class Drawing(NamedTuple):
    """A figure: its title, the same in words, which are read aloud in its place, the image, and what stands below."""

    title: str
    description: str
    svg: bytes
    caption: str = ""

    @property
    def uri(self) -> str:
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg).decode()}"


def mark(number: int) -> Mark:
    """Mark of a run by its place in the report, from 0."""
    return Mark(RUN_COLOURS[number % len(RUN_COLOURS)], *MARKERS[number % len(MARKERS)])


@contextmanager
def new_axes(width: float = 4.5, height: float = 3.0) -> Iterator[Axes]:
    """Axes of a new figure of this size in inches. They are filled and passed to `draw` inside this block."""
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # this machine lacks it, the reader's browser may not
        yield Figure(figsize=(width, height), layout="constrained").subplots()


def draw(axes: Axes, title: str, description: str, caption: str = "") -> Drawing:
    """Draw the axes' figure as SVG, in the same bytes each time."""
    figure = axes.figure
    assert isinstance(figure, Figure)
    stream = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return Drawing(legible(title), legible(description), stream.getvalue(), caption)
