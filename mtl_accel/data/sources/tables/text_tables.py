"""Tables of text, read strictly: CSV files, every cell as the text that it is, and JSON lines.

The csv module reads CSVs, because it alone finds every broken row. `pyarrow.csv` takes a quote that is never closed for
one cell with the rest of the file, reads `"x"y` as `xy"`, and counts records where an error must name lines. pandas and
`datasets` guess types, and fill or shift rows of the wrong length silently.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ....core.errors import UserError, shorten
from ..splits import RawSplit, column_of
from ..table_cache import ROWS, TableCache, digest_of
from .text_format import (
    DELIMITERS,
    TO_BE_FOUND,
    TextFormat,
    check_text,
    find_delimiter,
    find_encoding,
    open_text,
    read_header,
    read_records,
)

_VERSION = 2  # of the tables that are made from files; a new number leaves older tables unread
_LINE = "\n"  # column of line numbers in a cached table; a stripped name of a column cannot be this


def read_csv(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read a table of delimited cells with a header, any line ending; encoding and delimiter are named or found.

    Classes such as `001`, `NA` or `True` stay text; cells are stripped, and an empty one is None. A first column
    without a name that counts the rows from 0 or 1, as pandas writes its index, is dropped.

    Raises:
        UserError: wrong bytes, NUL characters, several delimiters that fit, broken quotes, rows of another length,
            empty or doubled column names, no rows.
    """
    with _readable(path):
        encoding, notes = find_encoding(path, text.encoding)
        delimiter, found = find_delimiter(path, text.delimiter, encoding)
        # Tables of the usual form are known by their content alone, as they were before there were others.
        form = "" if (delimiter, encoding) == (",", "utf-8") else f" {delimiter!r} {encoding}"
        split_read = _read(path, cache, "csv", form, lambda: _csv_batches(path, delimiter, encoding), split, bases)
        if read_header(path, delimiter, encoding)[0] == "":
            found.append("its first column has no name and counts the rows, and is not used")
    return replace(split_read, notes=(*notes, *found))


def read_jsonl(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read JSON lines: each key is a column, and None in the rows that lack it.

    Raises:
        UserError: wrong bytes, a line that is no object, a key with values of several types, no rows.
    """
    with _readable(path):
        encoding, notes = find_encoding(path, text.encoding)
        form = "" if encoding == "utf-8" else f" {encoding}"
        split_read = _read(path, cache, "jsonl", form, lambda: [_jsonl_table(path, encoding)], split, bases)
    return replace(split_read, notes=tuple(notes))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}. Check the file and its permissions") from error


def _read(
    path: Path,
    cache: TableCache,
    kind: str,
    form: str,
    batches: Callable[[], Iterable[pa.Table]],
    split: str,
    bases: tuple[Path, ...],
) -> RawSplit:
    key = f"{digest_of(path)}{form}"
    stored = cache.get(f"{kind} {_VERSION} {key}", batches)
    return RawSplit(split, stored.remove_columns([_LINE]), str(path), key, bases, column_of(stored, _LINE))


def _csv_batches(path: Path, delimiter: str, encoding: str) -> Iterator[pa.Table]:
    check_text(path, encoding)
    records = read_records(path, delimiter, encoding)
    header_line, header = next(records, (1, []))
    names = [name.strip() for name in header]
    _check_header(path, header_line, names)
    num_columns = len(names)
    ragged: list[str] = []
    lines: list[int] = []  # a list of pairs with the rows would cost the garbage collector a second a million rows
    rows: list[list[str]] = []
    table = _TableMaker(path, header_line, names)
    line = None
    for line, cells in records:
        if len(cells) != num_columns:
            ragged.append(
                f"{path}, line {line}: {len(cells)} cells, but the header has {num_columns} columns. "
                f"Add or remove {DELIMITERS[delimiter]}, or quote a cell that contains one"
            )
        elif not ragged:
            lines.append(line)
            rows.append(cells)
        if len(rows) == ROWS:
            yield table.make(lines, rows)
            lines, rows = [], []
    if ragged:
        raise UserError(shorten(ragged, "rows of the wrong length"))
    if line is None:
        raise UserError(f"{path}: it has a header but no rows. Write one row for each image, or delete the file")
    if rows:
        yield table.make(lines, rows)


class _TableMaker:
    """Makes a table of each batch of rows, without a first column that has no name and counts them."""

    def __init__(self, path: Path, header_line: int, names: Sequence[str]) -> None:
        self.path, self.header_line, self.names = path, header_line, names
        self._next: int | None = None  # number that the first column has in the next row

    def make(self, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> pa.Table:
        columns = dict(zip(self.names, zip(*rows, strict=True), strict=True))
        if "" in columns:
            self._check_count(lines, columns.pop(""))
        texts = {
            name: pa.array([cell or None for cell in map(str.strip, cells)], pa.string())
            for name, cells in columns.items()
        }
        return pa.table({**texts, _LINE: pa.array(lines)})

    def _check_count(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        if self._next is None:
            self._next = 1 if cells[0].strip() == "1" else 0
        for line, cell in zip(lines, cells, strict=True):
            if cell.strip() != str(self._next):
                raise UserError(
                    f"{_nameless(self.path, self.header_line, 1)}. It would be left out if it counted the rows, but "
                    f"line {line} has {cell.strip()!r} in place of {self._next}"
                )
            self._next += 1


def _nameless(path: Path, line: int, number: int) -> str:
    return f"{path}, line {line}: column {number} has no name. Name it, or remove it (pandas: to_csv(index=False))"


def _check_header(path: Path, line: int, names: list[str]) -> None:
    """Check the names of columns; the first of several may have none, if it counts the rows."""
    if not names:
        raise UserError(f"{path}: the file is empty. The first line must name the columns, such as image,label")
    unnamed = [number for number, name in enumerate(names, start=1) if not name]
    if unnamed == [1] and len(names) > 1:
        unnamed = []
    problems = [_nameless(path, line, number) for number in unnamed]
    doubled = sorted(name for name, count in Counter(names).items() if name and count > 1)
    problems += [f"{path}, line {line}: column {name!r} stands twice. Rename one of them" for name in doubled]
    if problems:
        raise UserError(problems)


def _jsonl_table(path: Path, encoding: str) -> pa.Table:
    """The file as one table, because its last row may still change the type of a column."""
    records = _jsonl_records(path, encoding)
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


def _jsonl_records(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and object of each line that is not blank."""
    with open_text(path, encoding, newline="\n") as file:
        for line, content in enumerate(file, start=1):
            if content.strip():
                yield line, _object(path, line, content)


def _object(path: Path, line: int, content: str) -> dict[str, Any]:
    try:
        row = json.loads(content)
    except ValueError as error:
        raise UserError(f"{path}, line {line}: not JSON: {error}. Write one JSON object a line") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {line}: {content.strip()[:40]!r} is not a JSON object such as {{...}}")
    if any("\0" in name for name in row):
        raise UserError(f"{path}, line {line}: a key contains a NUL character, which is no text. Remove it")
    return row
