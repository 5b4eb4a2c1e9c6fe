"""Tables of text, read strictly: every cell as the text that it is.

The csv module reads CSVs, because it alone finds every broken row. `pyarrow.csv` takes a quote that is never closed for
one cell with the rest of the file, reads `"x"y` as `xy`, and counts records where an error must name lines. pandas and
`datasets` guess types, and fill or shift rows of the wrong length silently.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pyarrow as pa

from ....core.errors import UserError, shorten
from ..images.image_names import is_image
from ..splits import RawSplit
from ..table_cache import ROWS, TableCache
from .cached_file import LINE, read_cached, readable
from .records import DELIMITERS, Records, find_delimiter, open_records
from .text_format import TO_BE_FOUND, TextFormat, check_text, find_encoding


def read_csv(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read a table of delimited cells, any line ending; encoding, delimiter and header are named or found.

    Classes such as `001`, `NA` or `True` stay text; cells are stripped, and an empty one is None. A first column
    without a name that counts the rows from 0 or 1, as pandas writes its index, is dropped.

    Raises:
        UserError: wrong bytes, NUL characters, several delimiters that fit, broken quotes, rows of another length,
            empty or doubled column names, no names of columns, no rows.
    """
    with readable(path):
        encoding, notes = find_encoding(path, text.encoding)
        delimiter, found = find_delimiter(path, encoding, text)
        # Tables of the usual form are known by their content alone, as they were before there were others.
        form = "" if (delimiter, encoding) == (",", "utf-8") else f" {delimiter!r} {encoding}"
        form += "" if text.column_names is None else f" {list(text.column_names)}"
        fix = f"Add or remove {DELIMITERS[delimiter]}, or quote a cell that contains one"

        def batches() -> Iterator[pa.Table]:
            check_text(path, encoding)
            records = open_records(path, delimiter, encoding, text.column_names)
            yield from table_batches(path, records, fix, checks_index=text.index_column != "drop")

        # The table is the same, but only one that was checked may be taken where null has it checked.
        unchecked = " unchecked index" if text.index_column == "drop" else ""
        split_read = read_cached(path, cache, "csv", f"{form}{unchecked}", batches, split, bases)
        records = open_records(path, delimiter, encoding, text.column_names)
    inferred = {"data.delimiter": delimiter, "data.encoding": encoding}
    if records.header[0] == "":
        if text.index_column == "error":
            raise UserError(f"{_nameless(path, records.line, 1)}, or set --data.index_column drop")
        inferred["data.index_column"] = "drop"
        if text.index_column is None:
            found.append("its first column has no name and counts the rows, and is not used (data.index_column)")
    key = split_read.key.removesuffix(unchecked)
    return replace(split_read, key=key, notes=(*notes, *found, *records.notes), inferred=inferred)


def first_records(path: Path, text: TextFormat, num_rows: int) -> tuple[list[str], list[list[str]]]:
    """The header of a text table, and its first rows, which may have any length.

    Raises:
        UserError: it is no table that can be read.
    """
    with readable(path):
        encoding, _ = find_encoding(path, text.encoding)
        delimiter, _ = find_delimiter(path, encoding, text)
        records = open_records(path, delimiter, encoding, text.column_names)
        return records.header, [cells for _, cells in islice(records.rows, num_rows)]


def table_batches(path: Path, records: Records, fix: str, *, checks_index: bool = True) -> Iterator[pa.Table]:
    """Make tables of text with a column `LINE` from records.

    Args:
        fix: how to mend a row of the wrong length.
        checks_index: whether a first column without a name, which is left out, must count the rows.

    Raises:
        UserError: rows of another length, empty or doubled column names, no names of columns, no rows.
    """
    _check_header(path, records.line, records.header)
    num_columns = len(records.header)
    ragged: list[str] = []
    lines: list[int] = []  # a list of pairs with the rows would cost the garbage collector a second a million rows
    rows: list[list[str]] = []
    table = _TableMaker(path, records.line, records.header, checks_index=checks_index)
    num_rows = 0
    for line, cells in records.rows:
        num_rows += 1
        if num_rows == 1:
            _check_no_row(path, records, cells)
        if len(cells) != num_columns:
            ragged.append(f"{path}, line {line}: {len(cells)} cells, but the header has {num_columns} columns. {fix}")
        elif not ragged:
            lines.append(line)
            rows.append(cells)
        if len(rows) == ROWS:
            yield table.make(lines, rows)
            lines, rows = [], []
    if ragged:
        raise UserError(shorten(ragged, "rows of the wrong length"))
    _check_number(path, records, num_rows)
    if rows:
        yield table.make(lines, rows)


def _check_number(path: Path, records: Records, num_rows: int) -> None:
    """Check that there are rows, as many as the table says."""
    if not num_rows:
        raise UserError(f"{path}: it has a header but no rows. Write one row for each image, or delete the file")
    if records.expected_rows not in (None, num_rows):
        raise UserError(
            f"{path}, line 1: it says that there are {records.expected_rows} rows, but there are {num_rows}. Copy the "
            "whole table anew, or correct the number"
        )


class _TableMaker:
    """Makes a table of each batch of rows, without a first column that has no name.

    checks_index: whether that column must count the rows.
    """

    def __init__(self, path: Path, header_line: int, names: Sequence[str], *, checks_index: bool) -> None:
        self.path, self.header_line, self.names, self.checks_index = path, header_line, names, checks_index
        self._next: int | None = None  # number that the first column has in the next row

    def make(self, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> pa.Table:
        columns = dict(zip(self.names, zip(*rows, strict=True), strict=True))
        index = columns.pop("", None)
        if index is not None and self.checks_index:
            self._check_count(lines, index)
        texts = {
            name: pa.array([cell or None for cell in map(str.strip, cells)], pa.string())
            for name, cells in columns.items()
        }
        return pa.table({**texts, LINE: pa.array(lines)})

    def _check_count(self, lines: Sequence[int], cells: Sequence[str]) -> None:
        if self._next is None:
            self._next = 1 if cells[0].strip() == "1" else 0
        for line, cell in zip(lines, cells, strict=True):
            if cell.strip() != str(self._next):
                raise UserError(
                    f"{_nameless(self.path, self.header_line, 1)}. It would be left out if it counted the rows, but "
                    f"line {line} has {cell.strip()!r} in place of {self._next}. To leave it out all the same, set "
                    "--data.index_column drop"
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


def describe_missing_header(path: Path, line: int, name: str) -> str:
    """Message about a table whose first line is a row already."""
    return (
        f"{path}, line {line}: it names an image, {name!r}, in place of the columns. Add a first line with the names "
        "of the columns, such as image,label, or give them as data.column_names; those of a joined table as its "
        "column_names"
    )


def _check_no_row(path: Path, records: Records, first_row: Sequence[str]) -> None:
    """Check that the header is none of the rows: both would name an image."""
    for name, cell in zip(records.header, first_row, strict=False):
        if is_image(name) and is_image(cell):
            raise UserError(describe_missing_header(path, records.line, name))
