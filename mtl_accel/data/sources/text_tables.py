"""Tables of text, read strictly: CSV files, every cell as the text that it is, and JSON lines.

The csv module reads CSVs, because it alone finds every broken row. `pyarrow.csv` takes a quote that is never closed for
one cell with the rest of the file, reads `"x"y` as `xy"`, and counts records where an error must name lines. pandas and
`datasets` guess types, and fill or shift rows of the wrong length silently.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...core.errors import UserError, shorten
from .splits import RawSplit, column_of
from .table_cache import ROWS, TableCache, digest_of

_VERSION = 2  # of the tables that are made from files; a new number leaves older tables unread
_LINE = "\n"  # column of line numbers in a cached table; a stripped name of a column cannot be this


def read_csv(path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = ()) -> RawSplit:
    """Read a comma-separated file with a header, in UTF-8 with or without a byte order mark, any line ending.

    Classes such as `001`, `NA` or `True` stay text; cells are stripped, and an empty one is None.

    Raises:
        UserError: not UTF-8, broken quotes, rows of another length, empty or doubled column names, no rows.
    """
    return _read(path, cache, "csv", _csv_batches, split, bases)


def read_jsonl(path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = ()) -> RawSplit:
    """Read JSON lines: each key is a column, and None in the rows that lack it.

    Raises:
        UserError: not UTF-8, a line that is no object, a key with values of several types, no rows.
    """
    return _read(path, cache, "jsonl", lambda path: [_jsonl_table(path)], split, bases)


def _read(
    path: Path,
    cache: TableCache,
    kind: str,
    batches: Callable[[Path], Iterable[pa.Table]],
    split: str,
    bases: tuple[Path, ...],
) -> RawSplit:
    try:
        key = digest_of(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Check the file and its permissions") from error
    stored = cache.get(f"{kind} {_VERSION} {key}", lambda: batches(path))
    return RawSplit(split, stored.remove_columns([_LINE]), str(path), key, bases, column_of(stored, _LINE))


def _csv_batches(path: Path) -> Iterator[pa.Table]:
    records = _csv_records(path)
    header_line, header = next(records, (1, []))
    names = [name.strip() for name in header]
    _check_header(path, header_line, names)
    num_columns = len(names)
    ragged: list[str] = []
    lines: list[int] = []  # a list of pairs with the rows would cost the garbage collector a second a million rows
    rows: list[list[str]] = []
    line = None
    for line, cells in records:
        if len(cells) != num_columns:
            ragged.append(
                f"{path}, line {line}: {len(cells)} cells, but the header has {num_columns} columns. "
                "Add or remove commas, or quote a cell that contains one"
            )
        elif not ragged:
            lines.append(line)
            rows.append(cells)
        if len(rows) == ROWS:
            yield _csv_table(names, lines, rows)
            lines, rows = [], []
    if ragged:
        raise UserError(shorten(ragged, "rows of the wrong length"))
    if line is None:
        raise UserError(f"{path}: it has a header but no rows. Write one row for each image, or delete the file")
    if rows:
        yield _csv_table(names, lines, rows)


def _csv_table(names: Sequence[str], lines: Sequence[int], rows: Sequence[Sequence[str]]) -> pa.Table:
    columns = zip(names, zip(*rows, strict=True), strict=True)
    texts = {name: pa.array([cell or None for cell in map(str.strip, cells)], pa.string()) for name, cells in columns}
    return pa.table({**texts, _LINE: pa.array(lines)})


def _csv_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record. A quoted cell may span lines, and blank lines are skipped."""
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
    """Name the first byte that is not UTF-8: a decoder that reads in blocks knows only its place in a block."""
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
    doubled = sorted(name for name, count in Counter(names).items() if name and count > 1)
    problems += [f"{path}, line {line}: column {name!r} stands twice. Rename one of them" for name in doubled]
    if len(names) == 1 and any(mark in names[0] for mark in ";\\t"):
        problems.append(f"{path}, line {line}: the header {names[0]!r} has no comma. Separate the columns by commas")
    if problems:
        raise UserError(problems)


def _jsonl_table(path: Path) -> pa.Table:
    """The file as one table, because its last row may still change the type of a column."""
    records = _jsonl_records(path)
    parts = []
    while batch := list(islice(records, ROWS)):
        parts.append(_jsonl_part(path, batch))
    if not parts:
        raise UserError(f"{path}: it has no rows. Write one JSON object for each image")
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"{path}: a key mixes types: {error}. Use one type in every row") from None


def _jsonl_part(path: Path, records: list[tuple[int, dict[str, Any]]]) -> pa.Table:
    names = dict.fromkeys(name for _, row in records for name in row)
    columns = {name: _jsonl_column(path, name, [row.get(name) for _, row in records]) for name in names}
    return pa.table({**columns, _LINE: pa.array([line for line, _ in records])})


def _jsonl_column(path: Path, name: str, cells: list[Any]) -> pa.Array:
    try:
        return pa.array(cells)
    except pa.ArrowException as error:
        raise UserError(f"{path}: key {name!r} mixes types: {error}. Use one type in every row") from None


def _jsonl_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
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
