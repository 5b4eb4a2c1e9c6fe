"""JSON lines: a table with one object a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ...core.errors import UserError
from .table_cache import ROWS, TableCache, digest_of
from .text_tables import TextTable

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
