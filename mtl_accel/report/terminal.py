"""Runs side by side as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .records.frames import comparison_frame
from .records.runs import read_runs
from .sections.leaderboard import leaderboard, over_seeds
from .tables import Cell, Table


def compare_text(runs: Iterable[str | Path]) -> str:
    """Format the leaderboard of runs, and means over seeds where there are several, as aligned columns.

    Raises:
        UserError: a folder that holds no run, or files of a run that cannot be read.
    """
    records = read_runs(list(runs))
    frame = comparison_frame(records)
    tables = [leaderboard(records, frame), over_seeds(records, frame)]
    return "\n\n".join(text(table) for table in tables if table is not None)


def text(table: Table) -> str:
    """Format a table: its caption, and columns of equal width, the best value of each with a star."""
    rows = [list(table.head), *([_cell(cell) for cell in row.cells] for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if column in table.words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([table.caption, "", *lines])


def _cell(cell: Cell) -> str:
    note = cell.note.replace("\n", ", ")
    return f"{'*' if cell.best else ''}{cell.text}{f' ({note})' if note else ''}"
