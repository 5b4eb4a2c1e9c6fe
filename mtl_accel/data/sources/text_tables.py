"""Tables of text, read strictly: CSV files, every cell as the text that it is, and JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

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


_JSONL_VERSION = 1  # of what is made of a file: another one never reads an older table


def read_jsonl(path: Path, cache: TableCache) -> TextTable:
    """One column a key; where a row lacks the key, its cell is None.

    Raises:
        UserError: not UTF-8, a line that is no object, a key with values of several types, no rows.
    """
    key = digest_of(path)
    table = cache.get(f"jsonl {_JSONL_VERSION} {key}", lambda: [_whole(path)])
    return TextTable(path, table, key, lambda: [line for line, _ in _rows(path)])


def _whole(path: Path) -> pa.Table:
    """The file as one table: only its last row settles the types of the columns."""
    rows = (row for _, row in _rows(path))
    parts = [_table(path, part) for part in iter(lambda: list(islice(rows, ROWS)), [])]
    if not parts:
        raise UserError(f"{path}: it has no rows. Write one JSON object for each image")
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"{path}: a key mixes types: {error}. Use one type in every row") from None


def _table(path: Path, rows: list[dict[str, Any]]) -> pa.Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _column(path, name, rows) for name in names})


def _column(path: Path, name: str, rows: list[dict[str, Any]]) -> pa.Array:
    try:
        return pa.array([row.get(name) for row in rows])
    except pa.ArrowException as error:
        raise UserError(f"{path}: key {name!r} mixes types: {error}. Use one type in every row") from None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as file:
            for line, content in enumerate(file, start=1):
                if content.strip():
                    yield line, _object(path, line, content)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error}. Save it as UTF-8 text, one JSON object a line") from error


def _object(path: Path, line: int, content: str) -> dict[str, Any]:
    try:
        row = json.loads(content)
    except ValueError as error:
        raise UserError(f"{path}, line {line}: not JSON: {error}. Write one JSON object a line") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {line}: {content.strip()[:40]!r} is not a JSON object such as {{...}}")
    return row
