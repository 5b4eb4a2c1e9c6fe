"""How a text table is written, as the config says it, and its encoding, as the file shows it."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from ....config.sections.data import DataConfig
from ....core.errors import UserError

_CHUNK = 1 << 20  # characters


class TextFormat(NamedTuple):
    """How a table is written, as the config says it; None: to be found.

    `column_names`: names of columns, if no header has them. `sheet`: of a spreadsheet. `index_column`: what becomes
    of a first column without a name, "drop" or "error".
    """

    delimiter: str | None = None
    encoding: str | None = None
    column_names: tuple[str, ...] | None = None
    sheet: str | None = None
    index_column: str | None = None

    @classmethod
    def of(cls, data: DataConfig) -> TextFormat:
        return cls(data.delimiter, data.encoding, data.column_names, data.sheet, data.index_column)


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
