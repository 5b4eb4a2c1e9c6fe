"""The tables of a report, the same for the page, for Markdown and for CSV."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .text import escape_markdown

ABSENT = "\N{EM DASH}"


class Cell(NamedTuple):
    """A value as text, a quieter note of a line or two below it, and whether it is the best of its column."""

    text: str
    note: str = ""
    best: bool = False


class Row(NamedTuple):
    """One line. `number` is the run's place in the report, which decides its sign; `aside`: it is no run's."""

    cells: tuple[Cell, ...]
    number: int | None = None
    aside: bool = False


@dataclass(frozen=True)
class Table:
    """A caption, a head and rows. The first column and those in `words` hold words, the others figures."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[Row, ...]
    words: frozenset[int] = frozenset({0})


def figure(value: float | None, digits: int = 4) -> str:
    """A number with so many digits after the point, or the sign for none."""
    return ABSENT if value is None or value != value else f"{value:.{digits}f}"


def spread(values: Sequence[float], digits: int) -> str:
    """Mean with its sign and sample deviation; the sign for none where there is no value or one is NaN."""
    if not values or any(map(math.isnan, values)):
        return ABSENT
    deviation = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):+.{digits}f}{deviation}"


def markdown(table: Table) -> str:
    """A table of GitHub's Markdown, in which names are text and nothing else."""
    lines = [f"**{escape_markdown(table.caption)}**", "", _line([escape_markdown(name) for name in table.head])]
    lines.append(_line(["---" if column in table.words else "---:" for column in range(len(table.head))]))
    lines += [_line([_cell(cell) for cell in row.cells]) for row in table.rows]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = f"**{escape_markdown(cell.text)}**" if cell.best else escape_markdown(cell.text)
    note = escape_markdown(cell.note.replace("\n", ", "))
    return f"{text} ({note})" if note else text
