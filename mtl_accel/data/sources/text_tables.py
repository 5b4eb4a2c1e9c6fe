"""Tables of text: CSV files read strictly, every cell as the text that it is."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from datasets import Dataset

from ...core.errors import UserError
from .table_cache import ROWS, TableCache, digest_of

_CSV_VERSION = 1  # of what is made of a CSV: another one never reads an older table
MAX_LISTED = 10  # problems of one sort that an error spells out; the rest is a count


@dataclass(frozen=True)
class TextTable:
    """A file of text as a table. `key` is a digest of the file.

    `lines` gives the line of each row in the file, the first being 1. It reads the file anew: only errors name lines.
    """

    path: Path
    table: Dataset
    key: str
    lines: Callable[[], Sequence[int]]


def shorten(problems: list[str], what: str) -> list[str]:
    """The first MAX_LISTED problems, and how many more there are."""
    rest = len(problems) - MAX_LISTED
    return [*problems[:MAX_LISTED], f"... and {rest} more {what}"] if rest > 0 else problems


def read_csv(path: Path, cache: TableCache) -> TextTable:
    """A comma-separated file with a header, UTF-8 with or without a byte order mark, any line ending.

    Classes such as `001`, `NA` or `True` stay text; cells are stripped, and an empty one is None. pandas and
    `datasets` would guess types, and fill or shift rows of the wrong length silently.

    Raises:
        UserError: not UTF-8, broken quotes, rows of another length, empty or doubled column names, no rows.
    """
    try:
        key = digest_of(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Check the file and its permissions") from error
    table = cache.get(f"csv {_CSV_VERSION} {key}", lambda: _batches(path))
    return TextTable(path, table, key, lambda: [line for line, _ in _records(path)][1:])


def _batches(path: Path) -> Iterator[pa.Table]:
    records = _records(path)
    header_line, header = next(records, (1, []))
    names = [name.strip() for name in header]
    _check_header(path, header_line, names)
    ragged: list[str] = []
    rows: list[list[str]] = []
    is_empty = True
    for line, cells in records:
        is_empty = False
        if len(cells) != len(names):
            ragged.append(
                f"{path}, line {line}: {len(cells)} cells, but the header has {len(names)} columns. "
                "Add or remove commas, or quote a cell that contains one"
            )
        elif not ragged:
            rows.append(cells)
        if len(rows) == ROWS:
            yield _batch(names, rows)
            rows = []
    if ragged:
        raise UserError(shorten(ragged, "rows of the wrong length"))
    if is_empty:
        raise UserError(f"{path}: it has a header but no rows. Write one row for each image, or delete the file")
    if rows:
        yield _batch(names, rows)


def _batch(names: list[str], rows: list[list[str]]) -> pa.Table:
    columns = ([cell.strip() or None for cell in cells] for cells in zip(*rows, strict=True))
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in zip(names, columns, strict=True)})


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record; a quoted cell may span lines, and blank lines are no records."""
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: {error}. Close or double the quotes of this row") from None
    except UnicodeDecodeError:
        raise UserError(_not_utf8(path)) from None


def _not_utf8(path: Path) -> str:
    content = path.read_bytes()
    start = len(content)
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start
    line = content.count(b"\n", 0, start) + 1
    byte = f"byte 0x{content[start]:02x}" if start < len(content) else "the text"
    return f"{path}, line {line}: {byte} is not UTF-8. Save the table as CSV in UTF-8"


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
