"""Keeps the table of a file in the cache, under the digest of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from ....core.errors import UserError
from ..splits import RawSplit, column_of
from ..table_cache import TableCache, digest_of

_VERSION = 2  # of the tables that are made from files; a new number leaves older tables unread
LINE = "\n"  # column of line numbers in a cached table; a stripped name of a column cannot be this


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Report a file that cannot be opened or read in this block as a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read: {error.strerror or error}. Check the file and its permissions"
        ) from error


def read_cached(
    path: Path,
    cache: TableCache,
    kind: str,
    form: str,
    batches: Callable[[], Iterable[pa.Table]],
    split: str,
    bases: tuple[Path, ...],
) -> RawSplit:
    """Read a file as the table that was made of it before, else make it.

    A column `LINE` of its batches holds the lines of the rows; without one they have none.

    Args:
        kind: the format of the file.
        form: how the file is read, if not in the usual way.
    """
    key = f"{digest_of(path)}{form}"
    stored = cache.get(f"{kind} {_VERSION} {key}", batches)
    if LINE not in stored.column_names:
        return RawSplit(split, stored, str(path), key, bases)
    return RawSplit(split, stored.remove_columns([LINE]), str(path), key, bases, column_of(stored, LINE))
