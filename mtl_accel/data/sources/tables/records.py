"""The records of a text table: which delimiter separates their cells, and which of them is the header."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from ....core.errors import UserError
from .text_format import TextFormat, open_text

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes", " ": "spaces"}
_SPACES = re.compile(r'("(?:[^"]|"")*")|\s+')
_SEPARATED = (".csv", ".tsv")  # suffixes of tables whose cells may contain spaces for certain


class Records(NamedTuple):
    """A text table: its header, with the number of its line, and the line and cells of each row.

    `expected_rows` is their number as a line before the header says it. `notes` are lines for the log.
    """

    line: int
    header: list[str]
    rows: Iterator[tuple[int, list[str]]]
    expected_rows: int | None = None
    notes: tuple[str, ...] = ()


def open_records(path: Path, delimiter: str, encoding: str, column_names: tuple[str, ...] | None = None) -> Records:
    """Open a text table; its names of columns are stripped, and there are none if the file is empty.

    Between spaces, as in the lists of CelebA, a first line may count the rows, and the header may lack the name of the
    first column. That column is called `image`, unless it counts the rows.

    Args:
        column_names: the header, which the file then lacks.

    Raises:
        UserError: wrong bytes or broken quotes; also while the rows are read.
    """
    rows = read_records(path, delimiter, encoding)
    start = [record for record in (next(rows, None), next(rows, None)) if record is not None]
    count, notes = None, []
    if delimiter == " " and len(start) == 2 and start[0][1][0].isdecimal() and len(start[0][1]) < len(start[1][1]):
        count = int(start.pop(0)[1][0])
    if column_names is not None:
        return Records(start[0][0] if start else 1, list(column_names), chain(start, rows), count)
    line, header = start.pop(0) if start else (1, [])
    names = [name.strip() for name in header]
    start = start or [record for record in (next(rows, None),) if record is not None]
    if delimiter == " " and start and len(start[0][1]) == len(names) + 1:
        counts_rows = start[0][1][0] in ("0", "1")
        names.insert(0, "" if counts_rows else "image")
        if not counts_rows:
            notes.append("its header lacks the name of the first column, which is called 'image'")
    return Records(line, names, chain(start, rows), count, tuple(notes))


def read_records(path: Path, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record. A quoted cell may span lines, and blank lines are skipped.

    Raises:
        UserError: wrong bytes or broken quotes.
    """
    line = 1
    try:
        with open_text(path, encoding) as file:
            lines = map(_with_single_spaces, file) if delimiter == " " else file
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: {error}. Close or double the quotes of this row") from None


def _with_single_spaces(line: str) -> str:
    """Put one space in place of each run of blanks outside of quotes; none at the ends."""
    if '"' not in line:
        return " ".join(line.split())
    return _SPACES.sub(lambda match: match[1] or " ", line.strip())


def find_delimiter(path: Path, encoding: str, text: TextFormat) -> tuple[str, list[str]]:
    """The named delimiter, else the only one that splits the header and fits all rows; and notes for the log.

    A header that none splits is that of a single column. Spaces are tried where no other delimiter splits the header,
    and not in files that are named as separated by commas or tabs: there they belong to the cells.

    Raises:
        UserError: the named one does not split a header that another one splits, or several fit all rows, or the
            bytes are wrong.
    """
    splitting = {mark: n for mark in DELIMITERS if mark != " " and (n := _num_columns(path, mark, encoding, text)) > 1}
    named = text.delimiter
    if named is not None:
        if splitting and named not in splitting and _num_columns(path, named, encoding, text) < 2:
            header = ", ".join(open_records(path, named, encoding).header)
            raise UserError(
                f"{path}, line 1: the header {header!r} has no {DELIMITERS[named].removesuffix('s')}. "
                f"Separate the columns by {DELIMITERS[named]}, or name another delimiter (data.delimiter)"
            )
        return named, []
    fitting = list(splitting)
    if len(splitting) > 1:
        fitting = [mark for mark in splitting if _fits(path, mark, encoding, text)]
    if len(fitting) > 1:
        readings = " and by ".join(f"{DELIMITERS[mark]} ({splitting[mark]} columns)" for mark in fitting)
        raise UserError(
            f"{path}, line 1: the header and all rows can be split by {readings}. Say which is meant, such as "
            f"--data.delimiter '{fitting[0]}'"
        )
    if not splitting and path.suffix.lower() not in _SEPARATED and _fits(path, " ", encoding, text):
        fitting = [" "]
    if fitting and fitting[0] != ",":
        return fitting[0], [f"its columns are separated by {DELIMITERS[fitting[0]]} (data.delimiter)"]
    # Where none fits, the rows that are wrong for the first one are named.
    return fitting[0] if fitting else next(iter(splitting), ","), []


def _num_columns(path: Path, delimiter: str, encoding: str, text: TextFormat) -> int:
    """Into how many columns a delimiter splits the first record; 0 if its quotes are not those of a record then."""
    if delimiter == " ":
        with_spaces = open_records(path, delimiter, encoding, text.column_names)
        return len(next(with_spaces.rows, (0, with_spaces.header))[1])
    with open_text(path, encoding) as file:
        try:
            return len(next(filter(None, csv.reader(file, delimiter=delimiter, strict=True)), ()))
        except csv.Error:
            return 0


def _fits(path: Path, delimiter: str, encoding: str, text: TextFormat) -> bool:
    """Whether a delimiter splits the header and all rows into the same number of columns, of at least two."""
    try:
        records = open_records(path, delimiter, encoding, text.column_names)
        num_columns = len(records.header)
        return num_columns > 1 and all(len(cells) == num_columns for _, cells in records.rows)
    except UserError:
        return False
