"""Compares the names of a table with those of files, and counts which of them were found in another spelling."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from enum import Enum

IMAGE_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff"),
        *("ppm", "pgm", "pbm", "pnm", "jp2", "avif", "heic", "heif", "hif", "tga"),
    )
)


class Spelling(Enum):
    """A way in which a table may write the name of a file; the value is the end of a sentence."""

    NO_SUFFIX = "without the suffix of the file"
    SUFFIX = "with a suffix that the file lacks"
    BACKSLASH = "with backslashes"
    CASE = "in another case"
    UNICODE = "in another Unicode normal form"


def is_image(name: str) -> bool:
    return suffix_of(name).lower() in IMAGE_SUFFIXES


def is_utf8(path: str) -> bool:
    """Whether the bytes of a path are UTF-8; Python has lone surrogates for others, which no table and no log holds."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(path: str) -> str:
    r"""The path for messages and logs, with a byte that is not UTF-8 as \xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def suffix_of(name: str) -> str:
    return os.path.splitext(name)[1]  # noqa: PTH122 (a `Path` takes ten times the time)


def stem_of(name: str) -> str:
    return os.path.splitext(name)[0]  # noqa: PTH122


def spelling_key(name: str) -> str:
    """Key that is equal for names that differ in case or in their Unicode normal form alone."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def spelling_of(written: str, found: str) -> frozenset[Spelling]:
    """How two names of one key differ."""
    if written == found:
        return frozenset()
    is_same_case = unicodedata.normalize("NFC", written) == unicodedata.normalize("NFC", found)
    return frozenset({Spelling.UNICODE if is_same_case else Spelling.CASE})


@dataclass
class SpellingCounts:
    """How many names were found in each other spelling, with the first name and its file as an example."""

    _found: dict[Spelling, tuple[int, str, str]] = field(default_factory=dict)

    def add(self, spellings: frozenset[Spelling], name: str, path: str) -> None:
        for spelling in spellings:
            count, first, its_path = self._found.get(spelling, (0, name, path))
            self._found[spelling] = count + 1, first, its_path

    def notes(self) -> list[str]:
        """One line for the log about each spelling."""
        return [
            f"{count} image name{'s are' if count > 1 else ' is'} written {spelling.value}, such as {name!r} for "
            f'{path}; data.image_names "exact" refuses this'
            for spelling, (count, name, path) in self._found.items()
        ]
