"""A cache of tables as Arrow files: written in batches and read memory-mapped, so that they take no memory."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from datasets import Dataset
from datasets.table import MemoryMappedTable

from ...core import atomic_io
from ...core.errors import UserError

logger = logging.getLogger(__name__)

ROWS = 1024  # of a batch, the part of a table that is held as Python objects at a time
_CHUNK_BYTES = 1 << 20
_END = b"\xff\xff\xff\xff\0\0\0\0"  # the last bytes of a stream of Arrow


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
        if path.exists():
            try:
                return _open(path)
            except (pa.ArrowException, OSError) as error:
                logger.warning("%s: a damaged table in the cache (%s) is made anew", path, error)
                path.unlink(missing_ok=True)
        return self._write(batches(), lambda _: path)

    def put(self, batches: Iterable[pa.Table]) -> Dataset:
        """Write a table of at least one batch. Its content names it, so that equal tables share one file."""
        return self._write(batches, lambda written: self._path(digest_of(written)))

    def _path(self, key: str) -> Path:
        return self.folder / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.arrow"

    def _write(self, batches: Iterable[pa.Table], name: Callable[[Path], Path]) -> Dataset:
        partial = self.folder / f"{os.getpid()}-{os.urandom(4).hex()}.partial"
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._write_batches(partial, batches)
            with self._writing():
                path = name(partial)
                if not _is_whole(path):  # else it is the same, and others may have mapped it
                    atomic_io.fsync(partial)
                    partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return _open(path)

    def _write_batches(self, path: Path, batches: Iterable[pa.Table]) -> None:
        """Write a file. What is wrong with the batches themselves is not blamed on the folder."""
        writer = None
        with self._writing():
            file = path.open("wb")
        with file:
            for batch in batches:
                with self._writing():
                    writer = writer or pa.ipc.new_stream(file, batch.schema)
                    writer.write_table(batch)
            assert writer is not None
            with self._writing():
                writer.close()
                file.flush()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cache folder {self.folder} of the tables: {error}. Free space there, make it writable, or set "
                "data.cache_dir to a folder that is"
            ) from error


def _open(path: Path) -> Dataset:
    if not _is_whole(path):
        raise OSError("it is cut off")
    # `datasets` would make a fingerprint from the time of writing, and slowly if there are many columns.
    return Dataset(MemoryMappedTable.from_file(str(path)), fingerprint=path.stem)


def _is_whole(path: Path) -> bool:
    """Whether a table is there with its end; Arrow takes one that is cut between two batches for a shorter one."""
    if not path.exists() or path.stat().st_size < len(_END):
        return False
    with path.open("rb") as file:
        file.seek(-len(_END), os.SEEK_END)
        return file.read() == _END
