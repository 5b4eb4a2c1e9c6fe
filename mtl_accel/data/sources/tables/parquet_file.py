"""Single Parquet files, checked before anything else reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from ....core.errors import UserError
from ..splits import RawSplit
from ..table_cache import ROWS, TableCache
from .cached_file import read_cached, readable
from .text_format import TO_BE_FOUND, TextFormat

_FIX = "Write the file anew"


def read_parquet_file(
    path: Path, cache: TableCache, split: str = "train", bases: tuple[Path, ...] = (), _: TextFormat = TO_BE_FOUND
) -> RawSplit:
    """Read one Parquet file.

    Raises:
        UserError: it cannot be read, or is damaged; a column stands twice; text that is not UTF-8.
    """
    with readable(path):
        return read_cached(path, cache, "parquet", "", lambda: _batches(path), split, bases)


def check_parquet_header(path: Path) -> None:
    """Check the names and types of the columns. Raises UserError as `read_parquet_file` does."""
    with readable(path), _reading(path), pq.ParquetFile(path) as parquet:
        _checked_schema(path, parquet)


def check_parquet_file(path: Path) -> None:
    """Check a file as `read_parquet_file` does, and keep nothing."""
    with readable(path):
        for _ in _batches(path):
            pass


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(
            f"{path}: not a readable Parquet file, or part of it cannot be read: {error}. {_FIX}"
        ) from error


def _batches(path: Path) -> Iterator[pa.Table]:
    with _reading(path), pq.ParquetFile(path) as parquet:
        schema = _checked_schema(path, parquet)
        yield schema.empty_table()
        row = 0
        for batch in parquet.iter_batches(ROWS):
            _check_text(path, batch, row)
            yield pa.Table.from_batches([batch], schema)
            row += len(batch)


def _checked_schema(path: Path, parquet: pq.ParquetFile) -> pa.Schema:
    """The schema of a Parquet file.

    Raises:
        UserError: a column stands twice or has a name that is no text, or the types that `datasets` wrote are damaged.
    """
    try:
        schema = parquet.schema_arrow
        doubled = [name for name, count in Counter(schema.names).items() if count > 1]
    except UnicodeDecodeError:
        raise UserError(f"{path}: the name of a column is not UTF-8. Rename it, and write the file anew") from None
    if doubled:
        raise UserError([f"{path}: column {name!r} stands twice. Rename one of them" for name in doubled])
    try:
        Features.from_arrow_schema(schema)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{path}: the types of its columns, as `datasets` wrote them into the file, cannot be read: {error!r}. "
            f"{_FIX}, or without them (pyarrow: table.replace_schema_metadata(None))"
        ) from None
    return schema


def _check_text(path: Path, batch: pa.RecordBatch, start: int) -> None:
    """Check every value of some rows, the first of which is row `start`. Raises UserError with the first wrong one."""
    try:
        batch.validate(full=True)
    except pa.ArrowException:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            for row in range(len(column)):
                if (problem := _problem(column.slice(row, 1))) is not None:
                    raise UserError(
                        f"{path}, row {start + row} (from 0), column {name!r}: {problem}. Correct the cell: text must "
                        "be UTF-8"
                    ) from None
        raise


def _problem(column: pa.Array) -> str | None:
    try:
        column.validate(full=True)
    except pa.ArrowException as error:
        return str(error)
    return None
