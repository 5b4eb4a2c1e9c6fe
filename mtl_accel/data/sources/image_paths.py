"""Finds the image files of a data folder, and none outside it."""

# A `Path` takes ten times the time and the memory of its text, and a table may name millions of files.
# ruff: noqa: PTH110, PTH114, PTH116, PTH118, PTH122

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

IMAGE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "jp2", "avif", "tga"),
    )
)


class NoImageError(Exception):
    """A name in a table leads to no image file; the message says why."""


class ImageFile(NamedTuple):
    """A file by its real path, with what shows a change: its size in bytes and the time of its last change in ns."""

    path: str
    size: int
    changed_ns: int


@dataclass
class _Listing:
    """The files of a folder, and for each whether a row names it."""

    real: str
    named: dict[str, bool]

    @cached_property
    def stems(self) -> dict[str, list[str]]:
        """Names of the image files, by their names without suffix."""
        found: dict[str, list[str]] = {}
        for name in filter(is_image, self.named):
            found.setdefault(os.path.splitext(name)[0], []).append(name)
        return found


@dataclass
class ImageFinder:
    """Finds the files that a table names, listing each folder once.

    The real path of every file must lie below one of `roots`, which are real paths: a name may contain `..`, be an
    absolute path or lead through symbolic links, as long as the file lies inside. Only regular files count.
    """

    roots: tuple[Path, ...]
    _listings: dict[tuple[Path, str], _Listing | None] = field(default_factory=dict)
    _by_real: dict[str, _Listing | None] = field(default_factory=dict)

    @classmethod
    def of(cls, *folders: str | Path) -> ImageFinder:
        return cls(tuple(Path(os.path.realpath(folder)) for folder in folders))

    def find(self, name: str, bases: Sequence[Path]) -> ImageFile:
        """Find the file `name`, relative to the first of `bases` that has it; its suffix may be left out.

        Raises:
            NoImageError: there is none, several match, or it lies outside the roots.
        """
        if "\0" in name:
            raise NoImageError("the name contains a NUL character")
        if "://" in name:
            raise NoImageError("it is a URL, and none is fetched: download the image into the data folder")
        parent, file = os.path.split(name)
        escapes = False
        for base in bases:
            listing = self._listing(base, parent)
            if listing is None:
                escapes = True
                continue
            matches = [file] if file in listing.named else listing.stems.get(file, [])
            if len(matches) > 1:
                raise NoImageError(f"several files fit: {', '.join(sorted(matches))}; write the suffix")
            if matches:
                listing.named[matches[0]] = True
                return self._regular(f"{listing.real}{os.sep}{matches[0]}")
        if escapes:
            raise NoImageError(f"it lies outside of the data folder {self.roots[0]}; move it inside")
        raise NoImageError("there is no such file")

    @property
    def found_any(self) -> bool:
        return any(listing is not None and any(listing.named.values()) for listing in self._by_real.values())

    def unnamed(self, folder: Path) -> tuple[list[str], int]:
        """The images below `folder` (a real path) that no row names, sorted; and the number of all images below it."""
        unnamed, count = [], 0
        for parent, name in files_below(folder):
            if is_image(name):
                count += 1
                if self._is_named(parent, name):
                    continue
                path = os.path.join(parent, name)
                if not (os.path.islink(path) and self._is_named(*os.path.split(os.path.realpath(path)))):
                    unnamed.append(path)
        return sorted(unnamed, key=_by_parts), count

    def _is_named(self, parent: str, name: str) -> bool:
        listing = self._by_real.get(parent)
        return listing is not None and listing.named.get(name, False)

    def _listing(self, base: Path, parent: str) -> _Listing | None:
        """The files of a folder: none if it does not exist, None if it lies outside the roots."""
        if (base, parent) not in self._listings:
            self._listings[base, parent] = self._real_listing(os.path.realpath(base / parent))
        return self._listings[base, parent]

    def _real_listing(self, real: str) -> _Listing | None:
        if real not in self._by_real:
            self._by_real[real] = (
                _Listing(real, {entry.name: False for entry in _entries(real) if not entry.is_dir()})
                if self._inside(real)
                else None
            )
        return self._by_real[real]

    def _regular(self, path: str) -> ImageFile:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            path = os.path.realpath(path)
            if not self._inside(path):
                raise NoImageError(f"it is a link to outside of the data folder {self.roots[0]}; copy the file inside")
            if not os.path.exists(path):
                raise NoImageError("it is a link to a file that does not exist")
            status = os.stat(path)
            parent, name = os.path.split(path)
            listing = self._real_listing(parent)
            assert listing is not None
            listing.named[name] = True
        if not stat.S_ISREG(status.st_mode):
            raise NoImageError("it is not a regular file")
        return ImageFile(path, status.st_size, status.st_mtime_ns)

    def _inside(self, real: str) -> bool:
        return any(Path(real).is_relative_to(root) for root in self.roots)


def is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def files_below(folder: Path) -> Iterator[tuple[str, str]]:
    """Folder and name of every file in a folder and its subfolders, except hidden ones. A linked folder is a file."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        linked = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        yield from ((parent, name) for name in (*files, *linked) if not name.startswith("."))


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    """The entries of a folder; none if it does not exist or cannot be read."""
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return


def relative_files(folder: Path) -> list[str]:
    """The paths of these files relative to the folder, sorted."""
    start = len(os.path.join(folder, ""))
    return sorted((os.path.join(*file)[start:] for file in files_below(folder)), key=_by_parts)


def _by_parts(path: str) -> str:
    """Key that sorts paths as `Path` does, folder by folder."""
    return path.replace(os.sep, "\0")


def file_stamps(files: Iterable[Path], folder: Path) -> list[tuple[str, int, int]]:
    """Relative path, size in bytes and time of the last change in ns of each file, by which a change shows."""
    found = []
    for file in files:
        status = file.stat()
        found.append((os.path.relpath(file, folder), status.st_size, status.st_mtime_ns))
    return found
