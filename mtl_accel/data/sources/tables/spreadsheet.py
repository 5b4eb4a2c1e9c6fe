"""Sheets of .xlsx files, as text: each cell as a reader of the sheet sees it.

openpyxl reads them row by row, so that neither a cell far off nor a compressed file of blanks takes the memory of a
whole sheet. What it would read as a blank without a word is looked for in the XML of the sheet: formulas whose values
were never computed, and merged cells.
"""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa

from ....core.errors import UserError, import_extra, shorten
from ..splits import RawSplit
from ..table_cache import TableCache
from .cached_file import read_cached, readable
from .records import Records
from .text_format import TO_BE_FOUND, TextFormat
from .text_tables import table_batches

MAX_BYTES = 1 << 30  # of a file, uncompressed; a sheet of a million rows and ten columns takes half of it
_MAX_ROWS = 1 << 20  # of a sheet, by its format
_BLOCK_BYTES, _OVERLAP_BYTES = (
    1 << 24,
    1 << 14,
)  # of XML that is looked through at a time; a formula has 8192 characters
# What openpyxl and the modules below it raise for damaged files; SyntaxError is that of broken XML.
_DAMAGES: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, EOFError, SyntaxError, RuntimeError)
_DAMAGES += (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError)
_CELL = rb'<(?:\w+:)?c (?![^>]*t="str")[^>]*?r="([A-Z]+[0-9]+)"[^>]*>'  # a text may be the value ""
_FORMULA = rb"<(?:\w+:)?f(?: [^>]*)?(?:/>|>[^<]*</(?:\w+:)?f>)"
_NO_VALUE = rb"(?:<(?:\w+:)?v ?/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
_UNCOMPUTED = re.compile(_CELL + rb"\s*" + _FORMULA + rb"\s*" + _NO_VALUE)
_MERGED = re.compile(rb'<(?:\w+:)?mergeCell [^>]*?ref="([^"]+)"')
_ZEROS = re.compile("0+")


def read_xlsx(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read a sheet: the named one, else the first. The first row that is not blank is the header.

    1.0 is read as 1, a date as 2024-01-31, TRUE as true, and a formula as the value that the spreadsheet computed.
    Blank rows, and blank columns behind the last one, are left out.

    Raises:
        UserError: the extra `xlsx` is not installed; the file is damaged, locked or too large; no such sheet; merged
            cells, error values, formulas without a value; and what is wrong with text tables.
    """
    with readable(path):
        (openpyxl,) = import_extra("xlsx", "openpyxl")
        names = _sheet_names(path, openpyxl)
        if text.sheet is not None and text.sheet not in names:
            raise UserError(f"data.sheet: {path} has no sheet {text.sheet!r}. It has: {', '.join(names)}")
        sheet = text.sheet if text.sheet is not None else names[0]
        form = f" {sheet!r}" + ("" if text.column_names is None else f" {list(text.column_names)}")
        table = read_cached(path, cache, "xlsx", form, lambda: _batches(path, sheet, text, openpyxl), split, bases)
    if text.sheet is None and len(names) > 1:
        return replace(table, notes=(f"its first sheet {sheet!r} of {len(names)} is read (data.sheet)",))
    return table


@contextmanager
def _workbook(path: Path, openpyxl: ModuleType) -> Iterator[Any]:
    """Open a workbook, if its parts are no larger than `MAX_BYTES` when they are unpacked.

    Raises:
        UserError: they are, or opening it or reading it in the block shows that it is damaged.
    """
    try:
        with path.open("rb") as file:
            with zipfile.ZipFile(file) as archive:
                size = sum(part.file_size for part in archive.infolist())
            if size > MAX_BYTES:
                raise UserError(f"{path}: {size / 2**30:.1f} GiB when unpacked, more than 1 GiB. Save the table as CSV")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of parts that are not read, such as lists to choose from
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            yield book
    except UserError:
        raise
    except _DAMAGES as error:
        raise UserError(
            f"{path}: not a readable .xlsx file: {error}. Save it anew as .xlsx, without a password, or as CSV"
        ) from error


def _sheet_names(path: Path, openpyxl: ModuleType) -> list[str]:
    with _workbook(path, openpyxl) as book:
        names = [sheet.title for sheet in book.worksheets]
    if not names:
        raise UserError(f"{path}: it has no sheet of cells. Save the table in one")
    return names


def _batches(path: Path, sheet: str, text: TextFormat, openpyxl: ModuleType) -> Iterator[pa.Table]:
    with _workbook(path, openpyxl) as book:
        records = _records(path, book[sheet], text)
        yield from table_batches(path, records, "Fill in or clear the cells of this row")


def _records(path: Path, sheet: Any, text: TextFormat) -> Records:
    _check_xml(path, sheet)
    rows = _rows(path, sheet)
    first = next(rows, None)
    while first is not None and not any(first[1]):
        first = next(rows, None)
    if first is None:
        return Records(1, [], iter(()))
    if text.column_names is not None:
        return Records(first[0], list(text.column_names), _filled(chain([first], rows), len(text.column_names)))
    header = _without_end([cell.strip() for cell in first[1]], 0)
    return Records(first[0], header, _filled(rows, len(header)))


def _filled(rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, with the blank cells that a sheet leaves out, and without those behind the header."""
    for line, cells in rows:
        if any(cells):
            row = _without_end(cells, width)
            yield line, row + [""] * (width - len(row))


def _without_end(cells: list[str], width: int) -> list[str]:
    """The cells without the blank ones at the end, as far as they are more than `width`."""
    while len(cells) > width and not cells[-1]:
        cells = cells[:-1]
    return cells


def _rows(path: Path, sheet: Any) -> Iterator[tuple[int, list[str]]]:
    """The number of each row, and its cells as text."""
    sheet.reset_dimensions()  # those in the file may be wrong
    wrong: list[str] = []
    for line, row in enumerate(sheet.iter_rows(), start=1):
        if line > _MAX_ROWS:
            raise UserError(f"{path}: the sheet {sheet.title!r} has more rows than a sheet can have. Save it anew")
        wrong += [
            f"{path}, sheet {sheet.title!r}, cell {cell.coordinate}: it holds the error {cell.value}. Correct it"
            for cell in row
            if cell.data_type == "e"
        ]
        yield line, [_text(cell) for cell in row]
    if wrong:
        raise UserError(shorten(wrong, "cells with errors"))


def _text(cell: Any) -> str:
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        value = int(value)
    if isinstance(value, int) and value >= 0 and _ZEROS.fullmatch(cell.number_format or ""):
        return str(value).zfill(len(cell.number_format))  # shown as 00012
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)


def _find_in_xml(sheet: Any, *patterns: re.Pattern[bytes]) -> list[list[str]]:
    """The first groups of all matches of each pattern in the XML of a sheet."""
    found: list[dict[str, None]] = [{} for _ in patterns]  # each once, also where blocks overlap
    end = b""
    with sheet._get_source() as file:
        while chunk := file.read(_BLOCK_BYTES):
            block = end + chunk
            for pattern, matches in zip(patterns, found, strict=True):
                matches |= dict.fromkeys(match.decode("utf-8", "replace") for match in pattern.findall(block))
            end = block[-_OVERLAP_BYTES:]
    return [list(matches) for matches in found]


def _check_xml(path: Path, sheet: Any) -> None:
    """Check for cells that would be blank without a word."""
    place = f"{path}, sheet {sheet.title!r}"
    merged, formulas = _find_in_xml(sheet, _MERGED, _UNCOMPUTED)
    problems = [f"{place}: {cells} are one merged cell, so that all but one are blank" for cells in merged]
    if problems:
        raise UserError([*shorten(problems, "merged cells"), "Unmerge the cells, and fill in each of them"])
    problems = [f"{place}, cell {cell}: a formula whose value was never computed" for cell in formulas]
    if problems:
        fix = "Open and save the file in a spreadsheet program, or replace the formulas by their values"
        raise UserError([*shorten(problems, "formulas without a value"), fix])
