"""A matplotlib figure as an SVG element of a page: the page's colours, ids of its own, and the same in words."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from xml.etree import ElementTree

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from . import palette

_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: found, read aloud, and small
    "svg.hashsalt": "mtl_accel",  # else ids are drawn anew each time
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.size": 10,
    "text.color": palette.INK.light,
    "axes.labelcolor": palette.MUTED.light,
    "axes.edgecolor": palette.GRID.light,
    "axes.facecolor": "none",
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": palette.GRID.light,
    "xtick.color": palette.GRID.light,
    "ytick.color": palette.GRID.light,
    "xtick.labelcolor": palette.MUTED.light,
    "ytick.labelcolor": palette.MUTED.light,
}
_REFERENCE = re.compile(r"#([A-Za-z][\w.-]*)")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")


class Drawing(NamedTuple):
    """A figure of the page: its title, the same in words, and the SVG element as text."""

    title: str
    description: str
    svg: str


@contextmanager
def style() -> Iterator[None]:
    """Figures are made and drawn inside this block."""
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        # The reader's browser has fonts that this machine has not.
        warnings.filterwarnings("ignore", message="Glyph")
        yield


def draw(figure: Figure, key: str, title: str, description: str) -> Drawing:
    """The figure as an SVG element.

    Args:
        key: a word that no other figure of the page has; its ids begin with it.
        title, description: what the figure is and what it shows, read aloud in its place.
    """
    stream = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None, "Creator": None})
    root = ElementTree.fromstring(stream.getvalue().decode())
    for parent in list(root.iter()):
        for child in list(parent):
            # A style element would hold for the whole page, and metadata name addresses in a network.
            if _plain(child.tag) in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = _plain(element.tag)
        attributes = {_plain(name): value for name, value in element.attrib.items()}
        element.attrib = {name: _adapt(name, value, key) for name, value in attributes.items()}
    words = [ElementTree.Element(tag, id=f"{key}-{tag}") for tag in ("title", "desc")]
    words[0].text, words[1].text = legible(title), legible(description)
    root[:0] = words
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-labelledby": f"{key}-title {key}-desc",
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }
    return Drawing(title, description, ElementTree.tostring(root, encoding="unicode"))


def legible(text: str, width: int | None = None) -> str:
    """A name in one line, without characters that XML forbids or nobody sees, and cut where it is long."""
    drawn = "".join(" " if c.isspace() else "\N{REPLACEMENT CHARACTER}" if _hidden(c) else c for c in text)
    return drawn if width is None or len(drawn) <= width else drawn[: width - 1] + "…"


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in "\ufffe\uffff"


def _plain(name: str) -> str:
    """Without its namespace: a page of HTML has none."""
    return name.rpartition("}")[2]


def _adapt(name: str, value: str, key: str) -> str:
    if name == "id":
        return f"{key}-{value}"
    if name == "href" or value.startswith("url("):
        return _REFERENCE.sub(rf"#{key}-\1", value)
    if name == "style":
        variables = {colour.light: f"var({colour.variable})" for colour in palette.COLOURS}
        return _COLOUR.sub(lambda found: variables.get(found[0], found[0]), value)
    return value
