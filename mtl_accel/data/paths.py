"""Image files of one data folder, and nothing outside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

IMAGE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "jp2", "avif", "tga"),
    )
)


class NoImageError(Exception):
    """Why a name in a table leads to no image file, in words."""


@dataclass(frozen=True)
class _Listing:
    real: Path
    files: frozenset[str]
    stems: dict[str, list[str]]  # names of image files by their name without suffix


@dataclass
class ImageFinder:
    """Finds the files that a table names, listing each folder once.

    Every file's real path must stay under one of `roots`, real paths themselves: a name with `..`, an absolute
    path or a symbolic link may wander, but must end inside. Only regular files count.
    """

    roots: tuple[Path, ...]
    _listings: dict[str, _Listing | None] = field(default_factory=dict)

    @classmethod
    def of(cls, *folders: str | Path) -> ImageFinder:
        return cls(tuple(Path(os.path.realpath(folder)) for folder in folders))

    def find(self, name: str, bases: Sequence[Path]) -> Path:
        """The real path of file `name`, relative to the first of `bases` that has it; its suffix may be left out.

        Raises:
            NoImageError: there is none, several fit, or it is outside of the roots.
        """
        if "\0" in name:
            raise NoImageError("the name contains a NUL character")
        if "://" in name:
            raise NoImageError("it is a URL, and none is fetched: download the image into the data folder")
        escapes = False
        for base in bases:
            parent, file = os.path.split(base / name)
            listing = self._listing(parent)
            if listing is None:
                escapes = True
                continue
            matches = [file] if file in listing.files else listing.stems.get(file, [])
            if len(matches) > 1:
                raise NoImageError(f"several files fit: {', '.join(sorted(matches))}; write the suffix")
            if matches:
                return self._regular(listing.real / matches[0])
        if escapes:
            raise NoImageError(f"it lies outside of the data folder {self.roots[0]}; move it inside")
        raise NoImageError("there is no such file")

    def _listing(self, parent: str) -> _Listing | None:
        """The files of a folder: none when there is no such folder, None when it is outside of the roots."""
        if parent not in self._listings:
            self._listings[parent] = self._list(Path(os.path.realpath(parent)))
        return self._listings[parent]

    def _list(self, real: Path) -> _Listing | None:
        if not self._inside(real):
            return None
        try:
            with os.scandir(real) as entries:
                names = [entry.name for entry in entries if not entry.is_dir()]
        except OSError:
            names = []
        stems: dict[str, list[str]] = {}
        for name in filter(is_image, names):
            stems.setdefault(PurePath(name).stem, []).append(name)
        return _Listing(real, frozenset(names), stems)

    def _regular(self, path: Path) -> Path:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            path = Path(os.path.realpath(path))
            if not self._inside(path):
                raise NoImageError(f"it is a link to outside of the data folder {self.roots[0]}; copy the file inside")
            if not path.exists():
                raise NoImageError("it is a link to a file that is not there")
            status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise NoImageError("it is not a regular file")
        return path

    def _inside(self, real: Path) -> bool:
        return any(real.is_relative_to(root) for root in self.roots)


def is_image(name: str) -> bool:
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def files_below(folder: Path) -> list[Path]:
    """Every file of a folder and its subfolders, sorted, but for hidden ones. A linked folder is one entry."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if Path(parent, name).is_symlink()]
        found += [Path(parent, name) for name in (*files, *links) if not name.startswith(".")]
    return sorted(found)


def stamps(files: Iterable[Path], folder: Path) -> list[tuple[str, int, int]]:
    """Relative path, size in bytes and time of change in ns of each file: what tells that a file was changed."""
    found = []
    for file in files:
        status = file.stat()
        found.append((os.path.relpath(file, folder), status.st_size, status.st_mtime_ns))
    return found
