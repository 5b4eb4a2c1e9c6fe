"""Finds the image files of a data folder, and none outside it."""

# A `Path` takes ten times the time and the memory of its text, and a table may name millions of files.
# ruff: noqa: PTH110, PTH112, PTH114, PTH116, PTH118

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ....core.errors import UserError
from .image_names import Spelling, SpellingCounts, is_image, is_utf8, printable, spelling_key, spelling_of, stem_of
from .listing import FolderIndex, ImageFile, Listing, by_parts

_CONSENT = "name the folder where it lies in data.image_dirs"


class NoImageError(Exception):
    """A name in a table leads to no image file; the message says why."""


class _Candidate(NamedTuple):
    """A file that a name may mean, and how its spelling differs from the name's."""

    listing: Listing
    file: str
    spellings: frozenset[Spelling]

    @property
    def path(self) -> str:
        return f"{self.listing.real}{os.sep}{self.file}"


@dataclass
class ImageFinder:
    """Finds the files that a table names, listing each folder once (in `index`).

    The real path of every file must lie below one of `roots`, which are real paths: a name may contain `..`, be an
    absolute path or lead through symbolic links, as long as the file lies inside. Only regular files count.

    A name may leave out the suffix of its file. Where no file has the name as it is written, one is looked for that
    differs in case, in its Unicode normal form, by backslashes for slashes, or by a suffix in the table that the file
    lacks. `spellings` counts these names. With `exact`, a name must be that of the file.
    """

    roots: tuple[Path, ...]
    exact: bool = False
    index: FolderIndex = field(default_factory=FolderIndex)
    spellings: SpellingCounts = field(default_factory=SpellingCounts)
    _listings: dict[tuple[Path, str], Listing | None] = field(default_factory=dict)
    _by_real: dict[str, Listing | None] = field(default_factory=dict)
    _similar_folders: dict[tuple[Path, str], list[tuple[Listing, frozenset[Spelling]]]] = field(default_factory=dict)

    @classmethod
    def of(cls, *folders: str | Path, exact: bool = False, index: FolderIndex | None = None) -> ImageFinder:
        """Make a finder of the files below some folders. Raises UserError for a path that is not UTF-8."""
        roots = [os.path.realpath(folder) for folder in folders]
        wrong = [printable(root) for root in roots if not is_utf8(root)]
        if wrong:
            raise UserError([f"{root}: the path of the folder is not UTF-8. Rename the folder" for root in wrong])
        return cls(tuple(map(Path, roots)), exact, index or FolderIndex())

    def find(self, name: str, bases: Sequence[Path], image_dirs: Sequence[Path] = ()) -> ImageFile:
        """Find the file `name`, in one of `image_dirs`, else relative to the first of `bases` that has it.

        Raises:
            NoImageError: there is none, several match, or it lies outside the roots.
        """
        if "\0" in name:
            raise NoImageError("the name contains a NUL character")
        if "://" in name:
            raise NoImageError("it is a URL, and none is fetched: download the image into the data folder")
        if len(image_dirs) < 2 and (image := self._exactly(name, image_dirs or bases)) is not None:
            return image
        found = self._as_written(name, bases, image_dirs)
        if not found and not self.exact:
            found = self._similar(name, bases, image_dirs)
        if len(found) > 1:
            raise NoImageError(f"several files fit: {', '.join(sorted(self._describe(found)))}; write the name of one")
        if not found:
            raise NoImageError(self._reason(name, (*image_dirs, *bases)))
        (candidate,) = found
        candidate.listing.named[candidate.file] = True
        image = self._regular(candidate.path)
        if candidate.spellings:
            self.spellings.add(candidate.spellings, name, candidate.path)
        return image

    def _exactly(self, name: str, bases: Sequence[Path]) -> ImageFile | None:
        """The file of exactly this name, for the usual table, whose names all are: it takes half the time."""
        parent, file = os.path.split(name)
        for base in bases:
            listing = self._listing(base, parent)
            if listing is None:
                return None
            if file in listing.named:
                listing.named[file] = True
                return self._regular(f"{listing.real}{os.sep}{file}")
            if file in listing.stems:
                return None
        return None

    def _as_written(self, name: str, bases: Sequence[Path], image_dirs: Sequence[Path]) -> list[_Candidate]:
        """The files of this name, which may lack the suffix: in all of `image_dirs`, else in the first of `bases`."""
        parent, file = os.path.split(name)
        if in_dirs := [candidate for folder in image_dirs for candidate in self._in_folder(folder, parent, file)]:
            return _distinct(in_dirs)
        for base in bases:
            if found := self._in_folder(base, parent, file):
                return found
        return []

    def _in_folder(self, base: Path, parent: str, file: str) -> list[_Candidate]:
        listing = self._listing(base, parent)
        if listing is None:
            return []
        if file in listing.named:
            return [_Candidate(listing, file, frozenset())]
        matches = () if self.exact else listing.stems.get(file, ())
        return [_Candidate(listing, match, frozenset({Spelling.NO_SUFFIX})) for match in matches]

    def _similar(self, name: str, bases: Sequence[Path], image_dirs: Sequence[Path]) -> list[_Candidate]:
        """The files in all of the folders whose names differ from this one by their spelling."""
        with_slashes = name.replace("\\", "/")
        backslash = frozenset({Spelling.BACKSLASH} if with_slashes != name else ())
        found = self._as_written(with_slashes, bases, image_dirs) if backslash else []
        if not found:
            parent, file = os.path.split(with_slashes)
            found = [
                _Candidate(listing, match, of_folder | spellings)
                for base in (*image_dirs, *bases)
                for listing, of_folder in self._listings_like(base, parent)
                for match, spellings in listing.similar(file)
            ]
        return _distinct([_Candidate(listing, match, spellings | backslash) for listing, match, spellings in found])

    def _listings_like(self, base: Path, parent: str) -> list[tuple[Listing, frozenset[Spelling]]]:
        """The folder `parent` of a base, else the folders whose names differ from it by their spelling."""
        if (base, parent) not in self._similar_folders:
            folder, missing = str(base / parent), []
            while not os.path.isdir(folder):
                folder, part = os.path.split(folder)
                missing.append(part)
            start = self._real_listing(os.path.realpath(folder))
            found = [] if start is None else [(start, frozenset[Spelling]())]
            for part in reversed(missing):
                found = [
                    (inner, spellings | spelling_of(part, match))
                    for listing, spellings in found
                    for match in listing.similar_folders.get(spelling_key(part), ())
                    if (inner := self._real_listing(os.path.realpath(os.path.join(listing.real, match)))) is not None
                ]
            self._similar_folders[base, parent] = found
        return self._similar_folders[base, parent]

    def _describe(self, candidates: Sequence[_Candidate]) -> list[str]:
        """Names of files, with their whole paths where they lie in several folders."""
        if len({candidate.listing.real for candidate in candidates}) == 1:
            return [candidate.file for candidate in candidates]
        return [candidate.path for candidate in candidates]

    def _reason(self, name: str, bases: Sequence[Path]) -> str:
        """Why no file was found."""
        parent, file = os.path.split(name)
        listings = [self._listing(base, parent) for base in bases]
        if None in listings:
            return f"it lies outside of the data folder {self.roots[0]}; move it inside, or {_CONSENT}"
        near = [match for listing in listings if listing for match in listing.stems.get(stem_of(file), ())]
        return "there is no such file" + (f"; there is {' and '.join(dict.fromkeys(near))}" if near else "")

    def relative(self, path: str) -> str:
        """A path relative to the root that it lies below: a move of the root does not change it."""
        for root in self._prefixes:
            if path.startswith(root):
                return path[len(root) :]
        return path

    @cached_property
    def _prefixes(self) -> list[str]:
        return [os.path.join(root, "") for root in self.roots]

    @property
    def found_any(self) -> bool:
        return any(listing is not None and any(listing.named.values()) for listing in self._by_real.values())

    def unnamed(self, folder: Path) -> tuple[list[str], int]:
        """The images below `folder` (a real path) that no row names, sorted; and the number of all images below it."""
        unnamed, count = [], 0
        for parent, name in self.index.files_below(folder):
            if is_image(name):
                count += 1
                if self._is_named(parent, name):
                    continue
                path = os.path.join(parent, name)
                if not (os.path.islink(path) and self._is_named(*os.path.split(os.path.realpath(path)))):
                    unnamed.append(path)
        return sorted(unnamed, key=by_parts), count

    def _is_named(self, parent: str, name: str) -> bool:
        listing = self._by_real.get(parent)
        return listing is not None and listing.named.get(name, False)

    def _listing(self, base: Path, parent: str) -> Listing | None:
        """The files of a folder: none if it does not exist, None if it lies outside the roots."""
        if (base, parent) not in self._listings:
            self._listings[base, parent] = self._real_listing(os.path.realpath(base / parent))
        return self._listings[base, parent]

    def _real_listing(self, real: str) -> Listing | None:
        if real not in self._by_real:
            self._by_real[real] = self.index.listing(real) if self._inside(real) else None
        return self._by_real[real]

    def _regular(self, path: str) -> ImageFile:
        try:
            status = os.lstat(path)
        except OSError as error:
            raise NoImageError(f"the file cannot be read ({error.strerror})") from error
        if stat.S_ISLNK(status.st_mode):
            path = os.path.realpath(path)
            if not self._inside(path):
                raise NoImageError(
                    f"it is a link to outside of the data folder {self.roots[0]}; copy the file inside, or {_CONSENT}"
                )
            if not os.path.exists(path):
                raise NoImageError("it is a link to a file that does not exist")
            status = os.stat(path)
            parent, name = os.path.split(path)
            listing = self._real_listing(parent)
            assert listing is not None
            listing.named[name] = True
        if not stat.S_ISREG(status.st_mode):
            raise NoImageError("it is not a regular file")
        if not is_utf8(path):
            raise NoImageError(f"its path {printable(path)} is not UTF-8; rename the file or folder")
        return ImageFile(path, status.st_size, status.st_mtime_ns)

    def _inside(self, real: str) -> bool:
        return any(Path(real).is_relative_to(root) for root in self.roots)


def _distinct(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The candidates, each file once: folders may be named twice, and an absolute path is the same in all."""
    return list({candidate.path: candidate for candidate in reversed(candidates)}.values())
