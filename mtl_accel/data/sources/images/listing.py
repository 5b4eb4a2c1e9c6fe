"""Lists the files of a folder, with the names that a table may have for them."""

# A `Path` takes ten times the time and the memory of its text, and a folder may hold millions of files.
# ruff: noqa: PTH114, PTH118

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ....core.errors import UserError, shorten
from .image_names import Spelling, is_image, is_utf8, printable, spelling_key, spelling_of, stem_of


class ImageFile(NamedTuple):
    """A file by its real path, with what shows a change: its size in bytes and the time of its last change in ns."""

    path: str
    size: int
    changed_ns: int


# Of Synology and QNAP, macOS, Windows and Linux, in lower case.
_JUNK = frozenset(
    (
        *("@eadir", "@recycle", "#recycle", "__macosx", "$recycle.bin", "system volume information", "lost+found"),
        *("thumbs.db", "desktop.ini"),
    )
)


@dataclass
class Listing:
    """The files and folders of a folder, and for each file whether a row names it."""

    real: str
    named: dict[str, bool]
    folders: list[str]

    def similar(self, file: str) -> Iterator[tuple[str, frozenset[Spelling]]]:
        """Iterate over the files whose names differ from this one by their spelling, and how they do."""
        key, stem = spelling_key(file), stem_of(file)
        yield from ((match, spelling_of(file, match)) for match in self._similar_files.get(key, ()))
        for match in self._similar_stems.get(key, ()):
            yield match, spelling_of(file, stem_of(match)) | {Spelling.NO_SUFFIX}
        if is_image(file):
            for match in self._similar_files.get(spelling_key(stem), ()):
                yield match, spelling_of(stem, match) | {Spelling.SUFFIX}

    @cached_property
    def stems(self) -> dict[str, list[str]]:
        """Names of the image files, by their names without suffix."""
        return _group(filter(is_image, self.named), stem_of)

    @cached_property
    def _similar_files(self) -> dict[str, list[str]]:
        """Names of the files, by the keys of their spelling."""
        return _group(self.named, spelling_key)

    @cached_property
    def _similar_stems(self) -> dict[str, list[str]]:
        """Names of the image files, by the keys of their names without suffix."""
        return _group(filter(is_image, self.named), lambda name: spelling_key(stem_of(name)))

    @cached_property
    def similar_folders(self) -> dict[str, list[str]]:
        return _group(self.folders, spelling_key)

    @classmethod
    def of(cls, folder: str) -> Listing:
        """List a folder by its real path; it is empty if it does not exist or cannot be read."""
        listing = cls(folder, {}, [])
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir():
                        listing.folders.append(entry.name)
                    else:
                        listing.named[entry.name] = False
        except OSError:
            return cls(folder, {}, [])
        return listing


def _group(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


class FolderIndex:
    """Lists the folders of a source, each of them once."""

    def __init__(self) -> None:
        self._listings: dict[str, Listing] = {}

    def listing(self, folder: str) -> Listing:
        """List a folder by its real path; it is empty if it does not exist or cannot be read."""
        if folder not in self._listings:
            self._listings[folder] = Listing.of(folder)
        return self._listings[folder]

    def walk(self, folder: Path) -> Iterator[Listing]:
        """List a folder, given by its real path, and those below, except hidden ones, junk, and links."""
        pending = [str(folder)]
        while pending:
            listing = self.listing(pending.pop())
            yield listing
            pending += [os.path.join(listing.real, name) for name in self.subfolders(listing)]

    def subfolders(self, listing: Listing) -> list[str]:
        """Names of the folders of a folder, except hidden ones, junk, and links."""
        names = (name for name in listing.folders if not is_junk(name))
        return sorted(name for name in names if not os.path.islink(os.path.join(listing.real, name)))

    def files_below(self, folder: Path) -> Iterator[tuple[str, str]]:
        """Folder and name of each file in a folder and those below, except hidden ones and junk.

        A linked folder counts as a file.
        """
        for listing in self.walk(folder):
            inside = {*self.subfolders(listing)} if listing.folders else set()
            links = (name for name in listing.folders if name not in inside)
            yield from ((listing.real, name) for name in (*listing.named, *links) if not is_junk(name))

    def relative_files(self, folder: Path) -> list[str]:
        """The paths of these files relative to the folder, sorted.

        Raises:
            UserError: names that are not UTF-8.
        """
        start = len(os.path.join(folder, ""))
        found = sorted((os.path.join(*file)[start:] for file in self.files_below(folder)), key=by_parts)
        wrong = [f"{folder}: the name {printable(name)} is not UTF-8. Rename it" for name in found if not is_utf8(name)]
        if wrong:
            raise UserError(shorten(wrong, "files whose names are not UTF-8"))
        return found


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or was left by a system or a program, and so is no data."""
    return name.startswith(".") or name.casefold() in _JUNK


def by_parts(path: str) -> str:
    """Key that sorts paths as `Path` does, folder by folder."""
    return path.replace(os.sep, "\0")


def file_stamps(files: Iterable[Path], folder: Path) -> list[tuple[str, int, int]]:
    """Relative path, size in bytes and time of the last change in ns of each file, by which a change shows."""
    found = []
    for file in files:
        status = file.stat()
        found.append((os.path.relpath(file, folder), status.st_size, status.st_mtime_ns))
    return found
