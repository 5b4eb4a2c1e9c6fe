"""Tables of text: CSV files read strictly, every cell as the text that it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError

MAX_LISTED = 10  # problems of one sort that an error spells out; the rest is a count


@dataclass(frozen=True)
class TextTable:
    """A CSV in columns; an empty cell is None. `lines[i]` is the line of row i in the file, the header's being 1."""

    path: Path
    columns: dict[str, list[str | None]]
    lines: list[int]


def shorten(problems: list[str], what: str) -> list[str]:
    """The first MAX_LISTED problems, and how many more there are."""
    rest = len(problems) - MAX_LISTED
    return [*problems[:MAX_LISTED], f"... and {rest} more {what}"] if rest > 0 else problems


def read_csv(path: Path) -> TextTable:
    """A comma-separated file with a header, UTF-8 with or without a byte order mark, any line ending.

    Classes such as `001`, `NA` or `True` stay text; cells are stripped. pandas and `datasets` would guess
    types, and fill or shift rows of the wrong length silently.

    Raises:
        UserError: not UTF-8, broken quotes, rows of another length, empty or doubled column names, no rows.
    """
    records = _records(path)
    header_line, header = next(records, (1, []))
    names = [name.strip() for name in header]
    _check_header(path, header_line, names)
    rows: list[list[str]] = []
    lines: list[int] = []
    ragged: list[str] = []
    for line, cells in records:
        if len(cells) != len(names):
            ragged.append(
                f"{path}, line {line}: {len(cells)} cells, but the header has {len(names)} columns. "
                "Add or remove commas, or quote a cell that contains one"
            )
        rows.append(cells)
        lines.append(line)
    if ragged:
        raise UserError(shorten(ragged, "rows of the wrong length"))
    if not rows:
        raise UserError(f"{path}: it has a header but no rows. Write one row for each image, or delete the file")
    columns = {name: [row[index].strip() or None for row in rows] for index, name in enumerate(names)}
    return TextTable(path, columns, lines)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record; a quoted cell may span lines, and blank lines are no records."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: {error}. Close or double the quotes of this row") from None


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Check the file and its permissions") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8. Save the table as CSV in UTF-8"
        ) from None


def _check_header(path: Path, line: int, names: list[str]) -> None:
    if not names:
        raise UserError(f"{path}: the file is empty. The first line must name the columns, such as image,label")
    problems = [
        f"{path}, line {line}: column {number} has no name. Name it, or remove it (pandas: to_csv(index=False))"
        for number, name in enumerate(names, start=1)
        if not name
    ]
    doubled = sorted({name for name in names if name and names.count(name) > 1})
    problems += [f"{path}, line {line}: column {name!r} stands twice. Rename one of them" for name in doubled]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        problems.append(f"{path}, line {line}: the header {names[0]!r} has no comma. Separate the columns by commas")
    if problems:
        raise UserError(problems)
