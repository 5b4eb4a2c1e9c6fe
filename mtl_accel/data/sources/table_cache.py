"""A cache of tables as Arrow files: written in batches and read memory-mapped, so that they take no memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
from datasets import Dataset
from datasets.table import MemoryMappedTable

from ...core import atomic_io
from ...core.errors import UserError

ROWS = 1024  # of a batch, the part of a table that is held as Python objects at a time
_CHUNK_BYTES = 1 << 20


def digest_of(file: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


class TableCache:
    """A folder of tables that never change. Any number of processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str, batches: Callable[[], Iterable[pa.Table]]) -> Dataset:
        """Open the table of this key, which is made from its batches the first time."""
        path = self._path(key)
        return _open(path) if path.exists() else self._write(batches(), lambda _: path)

    def put(self, batches: Iterable[pa.Table]) -> Dataset:
        """Write a table of at least one batch. Its content names it, so that equal tables share one file."""
        return self._write(batches, lambda written: self._path(digest_of(written)))

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.arrow"

    def _write(self, batches: Iterable[pa.Table], name: Callable[[Path], Path]) -> Dataset:
        partial = self.folder / f"{os.getpid()}-{os.urandom(4).hex()}.partial"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                _write(partial, batches)
                path = name(partial)
                if not path.exists():  # else it is the same, and others may have mapped it
                    atomic_io.fsync(partial)
                    partial.rename(path)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"cache folder {self.folder} of the tables: {error}. Free space there, make it writable, or set "
                "data.cache_dir to a folder that is"
            ) from error
        return _open(path)


def _open(path: Path) -> Dataset:
    # `datasets` would make a fingerprint from the time of writing, and slowly if there are many columns.
    return Dataset(MemoryMappedTable.from_file(str(path)), fingerprint=path.stem)


def _write(path: Path, batches: Iterable[pa.Table]) -> None:
    writer = None
    with path.open("wb") as file:
        for batch in batches:
            writer = writer or pa.ipc.new_stream(file, batch.schema)
            writer.write_table(batch)
        assert writer is not None
        writer.close()
