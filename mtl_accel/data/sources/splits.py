"""The table of one split as a source had it, and which of its columns hold images and ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Image, Value

from ...core.errors import UserError
from .table_cache import ROWS
from .text_tables import TextTable

# The names of a split in files and folders, ours first.
ALIASES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
IMAGE_NAMES = ("image", "filename", "file_name", "path", "image_path", "img", "file")
ID_NAMES = ("id", "image", "filename", "file_name", "path")


@dataclass(frozen=True)
class RawSplit:
    """One split before its columns are sorted out.

    `bases` are the folders that its image names are relative to, first come first served. `origin` is the file,
    folder or Hub id that errors name. `lines` gives the line of each row in a text file; only errors ask for it.
    `key` changes when the table does.
    """

    name: str
    table: Dataset
    origin: str
    key: str
    bases: tuple[Path, ...] = ()
    lines: Callable[[], Sequence[int]] | None = None

    def places(self, rows: Sequence[int]) -> list[str]:
        """Where some rows stand, in words."""
        if self.lines is None:
            return [f"{self.origin}, split {self.name}, row {row} (from 0)" for row in rows]
        lines = self.lines()
        return [f"{self.origin}, line {lines[row]}" for row in rows]


@dataclass(frozen=True)
class Columns:
    """Which columns hold images and ids; `id` is None when the row number is the id."""

    image: str
    id: str | None


def undecoded(table: Dataset, column: str, problem: str) -> Dataset:
    """The column of the images alone, named `image`, with its files or bytes as they are.

    Raises:
        UserError: it holds no images; says `problem`.
    """
    try:
        images = table.select_columns([column]).cast_column(column, Image(decode=False))
    except (TypeError, ValueError, NotImplementedError, pa.ArrowInvalid) as error:  # what pyarrow says of other types
        raise UserError(problem) from error
    return images if column == "image" else images.rename_column(column, "image")


def split_of(name: str) -> str | None:
    """The split that a folder, file stem or Hub split of this name is."""
    return next((split for split, aliases in ALIASES.items() if name.lower() in aliases), None)


def text_split(name: str, text: TextTable, bases: tuple[Path, ...]) -> RawSplit:
    # Kept once they are read: an error may ask for them for each of many columns.
    return RawSplit(name, text.table, str(text.path), text.key, bases, cache(text.lines))


def column_of(table: Dataset, name: str) -> pa.ChunkedArray:
    """A column as it lies in the table: embedded images are not copied.

    Not by `select_columns`, which copies the description of every column for each one that is read.
    """
    column, rows = table.data.table.column(name), table._indices
    return column if rows is None else column.take(rows.column(0))


def ids_of(table: Dataset) -> Iterator[str]:
    """The column `id`, row by row, so many of them in memory at a time as a batch has."""
    for batch in table.select_columns(["id"]).with_format("arrow").iter(ROWS):
        yield from batch["id"].to_pylist()


def choose_columns(splits: Sequence[RawSplit], image_column: str | None, id_column: str | None) -> Columns:
    """The configured columns, else those with the usual names, else the first; a column of pictures wins.

    Raises:
        UserError: a configured column is not there.
    """
    table, origin = splits[0].table, splits[0].origin
    names, features = table.column_names, table.features  # each look at which copies those of all columns
    problems = [
        f"data.{key}: {origin} has no column {name!r}. It has: {', '.join(names)}"
        for key, name in (("image_column", image_column), ("id_column", id_column))
        if name is not None and name not in names
    ]
    if problems:
        raise UserError(problems)
    pictures = [name for name in names if _holds_pictures(features[name])]
    found = _named(IMAGE_NAMES, pictures) or (pictures or [_named(IMAGE_NAMES, names) or names[0]])[0]
    image = image_column or found
    if id_column is not None:
        return Columns(image, id_column)
    identifiers = [name for name in names if is_identifier(features[name])]
    if image in identifiers:
        return Columns(image, _named(ID_NAMES, identifiers) or names[0])
    # Pictures that lie in the table itself need no id of their own: the row number serves.
    usual = [name for name in identifiers if name.lower() in ID_NAMES]
    usable = [name for name in usual if all(_is_unique(split.table, name) for split in splits)]
    return Columns(image, _named(ID_NAMES, usable))


def _holds_pictures(feature: Any) -> bool:
    if isinstance(feature, Value):
        return feature.dtype in ("binary", "large_binary")
    return isinstance(feature, Image) or (isinstance(feature, dict) and "bytes" in feature)


def _is_unique(table: Dataset, name: str) -> bool:
    return name in table.column_names and is_unique(column_of(table, name))


def is_unique(values: pa.ChunkedArray) -> bool:
    """Whether no cell is blank, and none is there twice."""
    return values.null_count == 0 and pc.count_distinct(values).as_py() == len(values)


def _named(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {name.lower(): name for name in reversed(names)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def is_identifier(feature: Any) -> bool:
    """Whether a column of this type may hold ids: whole numbers or text."""
    if not isinstance(feature, Value):
        return False
    return pa.types.is_integer(feature.pa_type) or feature.dtype in ("string", "large_string")
