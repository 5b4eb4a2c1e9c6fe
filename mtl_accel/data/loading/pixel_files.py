"""Files of the decoded images of a split. Several processes write them, and after a kill others go on."""

from __future__ import annotations

import io
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ...config.sections.picture_sizes import PictureSize
from ...core import atomic_io
from .pixels import StoredPixels, StoredRaggedPixels, ragged_file

_PIXELS, _DONE, _INDEX, _NOTES = "pixels.uint8", "done.uint8", "index.npy", "notes.json"
_RECORD = 5  # int64 of an image in an unfinished index: row, number of its file, offset in bytes, height, width


class Write(Protocol):
    """Writes the image of a row, uint8 [3, H, W]; None for one that cannot be decoded, which is done with as well."""

    def __call__(self, row: int, image: np.ndarray | None) -> None: ...


@dataclass(frozen=True)
class PixelFiles(ABC):
    """The files of `length` images in a folder. It is sent to other processes, and so holds no open file."""

    length: int

    @property
    def need_bytes(self) -> int | None:
        """Their size where it is known before any image is decoded."""
        return None

    @abstractmethod
    def is_whole(self, folder: Path) -> bool:
        """Whether unfinished files hold all that they say is done."""

    @abstractmethod
    def prepare(self, folder: Path) -> np.ndarray:
        """Make the files in a folder where there are none yet. Returns the rows that are still to be written, int64."""

    @abstractmethod
    def num_done(self, folder: Path) -> int:
        """Count the images of unfinished files that are done; 0 where the files are not there."""

    @abstractmethod
    def writer(self, folder: Path) -> AbstractContextManager[Write]:
        """Open the files for the images that this process decodes."""

    @abstractmethod
    def finish(self, folder: Path) -> None:
        """Flush what all processes have written, and remove what only the writing needed."""

    @abstractmethod
    def open(self, folder: Path) -> StoredPixels | StoredRaggedPixels | None:
        """Open finished files for reading; None if they are not there or not whole."""


@dataclass(frozen=True)
class FixedSizeFile(PixelFiles):
    """One file of images of one size, each at the place of its row."""

    size: PictureSize

    @property
    def need_bytes(self) -> int:
        return 3 * self.size[0] * self.size[1] * self.length

    def is_whole(self, folder: Path) -> bool:
        path = folder / _PIXELS
        return not path.exists() or path.stat().st_size == self.need_bytes

    def prepare(self, folder: Path) -> np.ndarray:
        for name, size in ((_PIXELS, self.need_bytes), (_DONE, self.length)):
            with (folder / name).open("ab") as file:
                file.truncate(size)  # a new file is made of zeros
        return np.flatnonzero(self._done(folder) == 0)

    def num_done(self, folder: Path) -> int:
        try:
            return int(np.count_nonzero(self._done(folder)))
        except (FileNotFoundError, ValueError):  # not there, or not yet of its length
            return 0

    @contextmanager
    def writer(self, folder: Path) -> Iterator[Write]:
        pixels, done = self._pixels(folder), self._done(folder)

        def write(row: int, image: np.ndarray | None) -> None:
            if image is not None:
                pixels[row] = image
            done[row] = 1

        yield write

    def finish(self, folder: Path) -> None:
        assert self._done(folder).all()
        self._pixels(folder).flush()
        (folder / _DONE).unlink()

    def open(self, folder: Path) -> StoredPixels | None:
        path = folder / _PIXELS
        if not path.exists() or path.stat().st_size != self.need_bytes:
            return None
        return StoredPixels(path, self.length, self.size, read_notes(folder))

    def _pixels(self, folder: Path) -> np.memmap:
        return np.memmap(folder / _PIXELS, dtype=np.uint8, mode="r+", shape=(self.length, 3, *self.size))

    def _done(self, folder: Path) -> np.memmap:
        return np.memmap(folder / _DONE, dtype=np.uint8, mode="r+", shape=(self.length,))


@dataclass(frozen=True)
class RaggedFiles(PixelFiles):
    """Images of several sizes, one behind another in a file of each process that wrote; an index says where."""

    def is_whole(self, folder: Path) -> bool:
        return _holds(folder, self._records(folder)[:, 1:])

    def prepare(self, folder: Path) -> np.ndarray:
        for path in self._unfinished(folder):
            os.truncate(path, path.stat().st_size // (8 * _RECORD) * (8 * _RECORD))  # a kill may have cut a record
        return np.setdiff1d(np.arange(self.length), self._records(folder)[:, 0])

    def num_done(self, folder: Path) -> int:
        try:
            return len(self._records(folder))
        except FileNotFoundError:  # removed meanwhile
            return 0

    @contextmanager
    def writer(self, folder: Path) -> Iterator[Write]:
        number = os.getpid()
        pixels_path = ragged_file(folder, number)
        # The record is written behind the image, so that a kill leaves no record without one.
        with (
            atomic_io.storage_errors(pixels_path),
            pixels_path.open("ab", buffering=0) as pixels,
            (folder / f"index-{number}.int64").open("ab", buffering=0) as index,
        ):

            def write(row: int, image: np.ndarray | None) -> None:
                offset, size = pixels.seek(0, os.SEEK_END), (0, 0) if image is None else image.shape[1:]
                if image is not None:
                    _write_all(pixels, memoryview(image.tobytes()))
                _write_all(index, memoryview(np.array([row, number, offset, *size], np.int64).tobytes()))

            yield write

    def finish(self, folder: Path) -> None:
        records = self._records(folder)
        records = records[np.argsort(records[:, 0])]
        assert np.array_equal(records[:, 0], np.arange(self.length)), "an image was lost or doubled"
        np.save(folder / _INDEX, records[:, 1:])
        for path in self._unfinished(folder):
            path.unlink()

    def open(self, folder: Path) -> StoredRaggedPixels | None:
        if not (folder / _INDEX).exists():
            return None
        index = np.load(folder / _INDEX, allow_pickle=False)
        if not _holds(folder, index):
            return None
        return StoredRaggedPixels(folder, index, read_notes(folder))

    def _unfinished(self, folder: Path) -> list[Path]:
        return sorted(folder.glob("index-*.int64"))

    def _records(self, folder: Path) -> np.ndarray:
        parts = [np.fromfile(path, np.int64) for path in self._unfinished(folder)]
        whole = [part[: len(part) // _RECORD * _RECORD] for part in parts]  # a kill may have cut the last one
        return np.concatenate([np.empty(0, np.int64), *whole]).reshape(-1, _RECORD)


def _holds(folder: Path, index: np.ndarray) -> bool:
    """Whether files are long enough for an index of images, int64 [N, 4]."""
    ends = index[:, 1] + 3 * index[:, 2] * index[:, 3]
    for number in np.unique(index[:, 0]).tolist():
        path = ragged_file(folder, number)
        if not path.exists() or path.stat().st_size < ends[index[:, 0] == number].max():
            return False
    return True


def write_notes(folder: Path, notes: Sequence[str]) -> None:
    """Keep what is worth saying of the images beside them, if there is anything."""
    if notes:
        (folder / _NOTES).write_text(json.dumps(notes), encoding="utf-8")


def read_notes(folder: Path) -> list[str]:
    """What is worth saying of the images, a line each."""
    path = folder / _NOTES
    notes: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return notes


def _write_all(file: io.FileIO, content: memoryview) -> None:
    """Write all bytes: an unbuffered file may take a part of them at a time."""
    while content:
        content = content[file.write(content) :]


def bytes_on_disk(path: Path) -> int:
    """Bytes that a file takes: less than its size where nothing was written yet, but Windows does not say so."""
    status = path.stat()
    return status.st_blocks * 512 if hasattr(status, "st_blocks") else status.st_size


def pixel_files(length: int, size: PictureSize | None) -> PixelFiles:
    """The files of images that have all one size, or several (None)."""
    return RaggedFiles(length) if size is None else FixedSizeFile(length, size)
