"""How a text table is written: its encoding and delimiter, as the config names them or as the file shows them."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from ....config.sections.data import DataConfig
from ....core.errors import UserError

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}
_CHUNK = 1 << 20  # characters


class TextFormat(NamedTuple):
    """Delimiter of a CSV and name of an encoding; None: to be found."""

    delimiter: str | None = None
    encoding: str | None = None

    @classmethod
    def of(cls, data: DataConfig) -> TextFormat:
        return cls(data.delimiter, data.encoding)


TO_BE_FOUND = TextFormat()


def find_encoding(path: Path, named: str | None) -> tuple[str, list[str]]:
    """The named encoding, else UTF-16 if the file starts with its byte order mark, else UTF-8; and notes for the log.

    Raises:
        OSError: the file cannot be read.
    """
    if named is not None:
        return codecs.lookup(named).name, []
    with path.open("rb") as file:
        start = file.read(2)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16", ["its text is UTF-16, by the byte order mark (data.encoding)"]
    return "utf-8", []


@contextmanager
def open_text(path: Path, encoding: str, newline: str = "") -> Iterator[TextIO]:
    """Open a text file behind its byte order mark, if it has one.

    Raises:
        UserError: the block reads bytes that are not of this encoding; the message names the first of them.
    """
    try:
        with path.open(encoding=encoding, newline=newline) as file:
            if file.read(1) != "\ufeff":
                file.seek(0)
            yield file
    except UnicodeError:
        raise UserError(_describe_wrong_bytes(path, encoding)) from None


def _describe_wrong_bytes(path: Path, encoding: str) -> str:
    """Name the first wrong byte: a decoder that reads in blocks knows only its place in a block."""
    content = path.read_bytes()
    start = len(content)
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        start = error.start
    except UnicodeError:  # UTF-16 or UTF-32 that has to start with a byte order mark, and does not
        start = 0
    line = content[:start].decode(encoding, "replace").count("\n") + 1 if start else 1
    byte = f"byte 0x{content[start]:02x}" if start < len(content) else "the text"
    return (
        f"{path}, line {line}: {byte} is not {encoding.upper()} (at byte {start} of the file). Save the table in "
        "UTF-8, or name its encoding, such as --data.encoding cp1252"
    )


def check_text(path: Path, encoding: str) -> None:
    """Read a file once from start to end.

    Raises:
        UserError: wrong bytes, or a NUL character, which no cell or name of a column may contain.
    """
    line = 1
    with open_text(path, encoding) as file:
        while chunk := file.read(_CHUNK):
            if "\0" in chunk:
                before = chunk[: chunk.index("\0")]
                raise UserError(
                    f"{path}, line {line + before.count(chr(10))}: a NUL character, which is no text. Remove it; or if "
                    "the file is UTF-16 without a byte order mark, set --data.encoding utf-16-le"
                )
            line += chunk.count("\n")


def read_records(path: Path, delimiter: str, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each record. A quoted cell may span lines, and blank lines are skipped.

    Raises:
        UserError: wrong bytes or broken quotes.
    """
    line = 1
    try:
        with open_text(path, encoding) as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}, line {line}: {error}. Close or double the quotes of this row") from None


def read_header(path: Path, delimiter: str, encoding: str) -> list[str]:
    """The names of the columns, stripped; none if the file is empty. Raises UserError as `read_records` does."""
    return [name.strip() for name in next(read_records(path, delimiter, encoding), (1, []))[1]]


def find_delimiter(path: Path, named: str | None, encoding: str) -> tuple[str, list[str]]:
    """The named delimiter, else the only one that splits the header and fits all rows; and notes for the log.

    A header that none splits is that of a single column.

    Raises:
        UserError: the named one does not split a header that another one splits, or several fit all rows, or the
            bytes are wrong.
    """
    splitting = {mark: count for mark in DELIMITERS if (count := _num_columns(path, mark, encoding)) > 1}
    if named is not None:
        if splitting and named not in splitting:
            header = read_header(path, named, encoding)
            raise UserError(
                f"{path}, line 1: the header {', '.join(header)!r} has no {DELIMITERS[named].removesuffix('s')}. "
                f"Separate the columns by {DELIMITERS[named]}, or name another delimiter (data.delimiter)"
            )
        return named, []
    fitting = list(splitting)
    if len(splitting) > 1:
        fitting = [mark for mark in splitting if _fits(path, mark, encoding, splitting[mark])]
    if len(fitting) > 1:
        readings = " and by ".join(f"{DELIMITERS[mark]} ({splitting[mark]} columns)" for mark in fitting)
        raise UserError(
            f"{path}, line 1: the header and all rows can be split by {readings}. Say which is meant, such as "
            f"--data.delimiter '{fitting[0]}'"
        )
    if fitting and fitting[0] != ",":
        return fitting[0], [f"its columns are separated by {DELIMITERS[fitting[0]]} (data.delimiter)"]
    # Where none fits, the rows that are wrong for the first one are named.
    return fitting[0] if fitting else next(iter(splitting), ","), []


def _num_columns(path: Path, delimiter: str, encoding: str) -> int:
    """Into how many columns a delimiter splits the header; 0 if its quotes are not those of a header then."""
    with open_text(path, encoding) as file:
        try:
            return len(next(filter(None, csv.reader(file, delimiter=delimiter, strict=True)), ()))
        except csv.Error:
            return 0


def _fits(path: Path, delimiter: str, encoding: str, num_columns: int) -> bool:
    with open_text(path, encoding) as file:
        try:
            rows = csv.reader(file, delimiter=delimiter, strict=True)
            return all(len(cells) == num_columns for cells in rows if cells)
        except csv.Error:
            return False
