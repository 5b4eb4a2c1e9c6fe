"""Tables of JSON: an object for each row, one a line or in a list, or a list for each column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from ....core.errors import UserError
from ..splits import RawSplit
from ..table_cache import ROWS, TableCache
from .cached_file import LINE, read_cached, readable
from .text_format import TO_BE_FOUND, TextFormat, find_encoding, open_text

_FORMS = (
    'Write a list of objects, one for each image, such as [{"image": "1.jpg", "label": "a"}] (pandas: '
    'to_json(orient="records")), or a list for each column'
)


class _Row(NamedTuple):
    line: int
    cells: dict[str, Any]


def read_jsonl(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read JSON lines: each key is a column, and None in the rows that lack it.

    Raises:
        UserError: wrong bytes, a line that is no object, a key with values of several types, values that no table
            holds, no rows.
    """
    with readable(path):
        encoding, notes = find_encoding(path, text.encoding)
        form = "" if encoding == "utf-8" else f" {encoding}"
        split_read = read_cached(
            path, cache, "jsonl", form, lambda: [_table(path, _lines(path, encoding))], split, bases
        )
    return replace(split_read, notes=tuple(notes), inferred={"data.encoding": encoding})


def read_json(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read a list of objects, one for each row; or an object of columns, each a list or, by pandas, an object of rows.

    A file of JSON lines is read as such.

    Raises:
        UserError: as for `read_jsonl`, and another form.
    """
    with readable(path):
        encoding, notes = find_encoding(path, text.encoding)
        form = "" if encoding == "utf-8" else f" {encoding}"
        split_read = read_cached(path, cache, "json", form, lambda: [_json_table(path, encoding)], split, bases)
    return replace(split_read, notes=tuple(notes), inferred={"data.encoding": encoding})


def _json_table(path: Path, encoding: str) -> pa.Table:
    with open_text(path, encoding) as file:
        content = file.read()
    start = content.lstrip()[:1]
    if start == "[":
        return _table(path, _list(path, content))
    if start != "{":
        raise UserError(f"{path}, line 1: it is no table in JSON. {_FORMS}")
    try:
        value = json.loads(content, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error):  # more objects follow
            return _table(path, _lines(path, encoding))
        raise UserError(f"{path}: not JSON: {_reason(error)}. {_FORMS}") from None
    return _table_of_columns(path, value)


def _table_of_columns(path: Path, value: dict[str, Any]) -> pa.Table:
    columns = {name: _column_cells(name, cells) for name, cells in value.items()}
    if columns and all(cells is not None for cells in columns.values()):
        lengths = {len(cells) for cells in columns.values() if cells is not None}
        keys = {tuple(cells) for cells in value.values() if isinstance(cells, dict)}
        if len(lengths) == 1 and 0 not in lengths and len(keys) <= 1:
            return pa.table({name: _column(path, name, cells or [], None) for name, cells in columns.items()})
    if not any(isinstance(cells, dict) for cells in value.values()) and not all(
        isinstance(cells, list) for cells in value.values()
    ):
        return _table(path, iter([_Row(1, _checked(path, 1, value))]))  # JSON lines, of one line
    raise UserError(f"{path}: it is an object, but not one of columns of the same rows. {_FORMS}")


def _column_cells(name: str, cells: Any) -> list[Any] | None:
    """The cells of a column: a list, or an object whose keys are the numbers of the rows; None for anything else."""
    if isinstance(cells, list):
        return cells
    if isinstance(cells, dict) and not name.isdecimal() and all(key.isdecimal() for key in cells):
        return list(cells.values())
    return None


def _list(path: Path, content: str) -> Iterator[_Row]:
    """The objects of a list, with the lines that they begin in."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    place, line, counted = content.index("[") + 1, 1, 0
    closing = "]"
    while True:
        place = _skip_blanks(content, place)
        line += content.count("\n", counted, place)
        counted = place
        if content[place : place + 1] == "]" and closing:
            if content[place + 1 :].strip():
                raise UserError(f"{path}, line {line}: not JSON: there is more text behind the list. Remove it")
            return
        try:
            value, place = decoder.raw_decode(content, place)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {line}: not JSON: {_reason(error)}. Correct the list") from None
        if not isinstance(value, dict):
            raise UserError(f"{path}, line {line}: {json.dumps(value)[:40]} is no object. {_FORMS}")
        yield _Row(line, _checked(path, line, value))
        place = _skip_blanks(content, place)
        closing = "" if content[place : place + 1] == "," else "]"
        if not closing:
            place += 1
        elif content[place : place + 1] != "]":
            line += content.count("\n", counted, place)
            raise UserError(f"{path}, line {line}: not JSON: a comma or the end of the list is missing. Correct it")


def _skip_blanks(content: str, place: int) -> int:
    while content[place : place + 1] in (" ", "\t", "\r", "\n"):
        place += 1
    return place


def _lines(path: Path, encoding: str) -> Iterator[_Row]:
    """Line number and object of each line that is not blank."""
    with open_text(path, encoding, newline="\n") as file:
        for line, content in enumerate(file, start=1):
            if content.strip():
                yield _Row(line, _object(path, line, content))


def _object(path: Path, line: int, content: str) -> dict[str, Any]:
    try:
        row = json.loads(content, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}, line {line}: not JSON: {_reason(error)}. Write one JSON object a line") from None
    if not isinstance(row, dict):
        raise UserError(f"{path}, line {line}: {content.strip()[:40]!r} is not a JSON object such as {{...}}")
    return _checked(path, line, row)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"key {doubled!r} stands twice in an object")
    return found


def _reason(error: ValueError | RecursionError) -> str:
    return "brackets are nested too deeply" if isinstance(error, RecursionError) else str(error)


def _checked(path: Path, line: int, row: dict[str, Any]) -> dict[str, Any]:
    """The row, if its keys can be names of columns."""
    for name in row:
        if "\0" in name:
            raise UserError(f"{path}, line {line}: a key contains a NUL character, which is no text. Remove it")
        if not _is_text(name):
            raise UserError(f"{path}, line {line}: the key {name!r} holds half a character, which is no text. Mend it")
    return row


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def _table(path: Path, rows: Iterator[_Row]) -> pa.Table:
    """The rows as one table, because the last one may still change the type of a column."""
    parts = []
    while batch := list(islice(rows, ROWS)):
        lines = [row.line for row in batch]
        names = dict.fromkeys(name for row in batch for name in row.cells)
        columns = {name: _column(path, name, [row.cells.get(name) for row in batch], lines) for name in names}
        parts.append(pa.table({**columns, LINE: pa.array(lines)}))
    if not parts:
        raise UserError(f"{path}: it has no rows. Write one JSON object for each image")
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except pa.ArrowException as error:
        raise UserError(f"{path}: a key mixes types: {error}. Use one type in every row") from None


def _column(path: Path, name: str, cells: Sequence[Any], lines: Sequence[int] | None) -> pa.Array:
    try:
        return pa.array(cells)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        for row, cell in enumerate(cells):
            if (problem := _cell_problem(cell)) is not None:
                place = f"row {row} (from 0)" if lines is None else f"line {lines[row]}"
                raise UserError(f"{path}, {place}: key {name!r}: {problem}") from None
        raise UserError(f"{path}: key {name!r} mixes types: {error}. Use one type in every row") from None


def _cell_problem(cell: Any) -> str | None:
    """Why no column holds a cell; None where others of its column are the reason."""
    try:
        pa.array([cell])
    except OverflowError:
        return "a whole number beyond 64 bits. Write it as text, in quotes"
    except UnicodeEncodeError:
        return "a text with half a character (a lone surrogate). Mend it"
    except (pa.ArrowException, ValueError) as error:
        return f"{error}. Use one type in every list and object"
    return None
