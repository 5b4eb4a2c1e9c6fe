"""Tables of JSON: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ....core.errors import UserError
from ..splits import RawSplit
from ..table_cache import ROWS, TableCache
from .cached_file import LINE, read_cached, readable
from .text_format import TO_BE_FOUND, TextFormat, find_encoding, open_text


def read_jsonl(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), text: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read JSON lines: each key is a column, and None in the rows that lack it.

    Raises:
        UserError: wrong bytes, a line that is no object, a key with values of several types, no rows.
    """
    with readable(path):
        encoding, notes = find_encoding(path, text.encoding)
        form = "" if encoding == "utf-8" else f" {encoding}"
        split_read = read_cached(path, cache, "jsonl", form, lambda: [_jsonl_table(path, encoding)], split, bases)
    return replace(split_read, notes=tuple(notes))


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
    return pa.table({**columns, LINE: pa.array([line for line, _ in records])})


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
