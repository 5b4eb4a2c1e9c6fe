"""The table of one split as it is in its source, and the choice of its columns of images and ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Image, Value

from ...config.knobs import did_you_mean
from ...core.errors import UserError
from .table_cache import ROWS, TableCache

# Names of a split in files and folders; the first one is used here.
ALIASES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test", "testing"),
}
IMAGE_NAMES = ("image", "filename", "file_name", "path", "image_path", "img", "file")
ID_NAMES = ("id", "image", "filename", "file_name", "path")


@dataclass(frozen=True)
class JoinedTable:
    """A table that some columns of a split were joined from, with the line of each row in its text file, if it has."""

    columns: frozenset[str]
    origin: str
    lines: pa.ChunkedArray | None


@dataclass(frozen=True)
class RawSplit:
    """One split as its source has it: ids, images and labels are columns like any other.

    `origin` is the file, folder or Hub id that errors name. `key` changes when the table does. `bases` are the folders
    that its image names are relative to, the first one first, and `image_dirs` those that the config names, which come
    before them. `lines` is the line of each row in its text file, the first being 1; None for a table without lines.
    `joined` are further tables that columns come from. `notes` say what was inferred of the table, for the log, and
    `inferred` says it as values of knobs by their dotted paths, also where it is the usual thing, which is no line in
    the log.
    """

    name: str
    table: Dataset
    origin: str
    key: str
    bases: tuple[Path, ...] = ()
    lines: pa.ChunkedArray | None = None
    image_dirs: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    inferred: Mapping[str, Any] = field(default_factory=dict)
    joined: tuple[JoinedTable, ...] = ()

    def table_of(self, column: str) -> RawSplit:
        """Return this split, with the origin and the lines of the table that a column comes from."""
        table = next((table for table in self.joined if column in table.columns), None)
        return self if table is None else replace(self, origin=table.origin, lines=table.lines)

    def describe_rows(self, rows: Sequence[int]) -> list[str]:
        """Describe where some rows are, for messages."""
        if self.lines is None:
            return [f"{self.origin}, split {self.name}, row {row} (from 0)" for row in rows]
        return [f"{self.origin}, line {line}" for line in self.lines_of(rows)]

    def lines_of(self, rows: Sequence[int]) -> list[int]:
        assert self.lines is not None
        return self.lines.take(pa.array(rows, pa.int64())).to_pylist()


@dataclass(frozen=True)
class Columns:
    """The columns of images and ids; `id` is None if the row number is the id."""

    image: str
    id: str | None

    @property
    def inferred(self) -> dict[str, str]:
        """Values of the knobs that name these columns."""
        return {"data.image_column": self.image} | ({} if self.id is None else {"data.id_column": self.id})


def undecoded_images(table: Dataset, column: str, problem: str) -> Dataset:
    """The column of images alone, under the name `image`, with undecoded files or bytes.

    Raises:
        UserError: it holds no images; the message is `problem`.
    """
    try:
        images = table.select_columns([column]).cast_column(column, Image(decode=False))
    except (TypeError, ValueError, NotImplementedError) as error:  # by pyarrow, for other types
        raise UserError(problem) from error
    return images if column == "image" else images.rename_column(column, "image")


def split_of(name: str) -> str | None:
    """The split that a folder, file stem or Hub split with this name is; None if it is none."""
    return next((split for split, aliases in ALIASES.items() if name.lower() in aliases), None)


def split_paths(folder: Path, suffix: str = "") -> dict[str, Path]:
    """The file with this suffix of each split in a folder; without a suffix, the folder of each split.

    Raises:
        UserError: two of one split, such as val.csv and valid.csv.
    """
    found = {}
    for split, aliases in ALIASES.items():
        paths = [folder / f"{alias}{suffix}" for alias in aliases]
        paths = [path for path in paths if (path.is_file() if suffix else path.is_dir())]
        if len(paths) > 1:
            names = " and ".join(path.name if suffix else f"{path.name}/" for path in paths)
            raise UserError(f"{folder}: {names} are both the {split} split. Keep one of them")
        if paths:
            found[split] = paths[0]
    return found


def take_rows(split: RawSplit, name: str, rows: np.ndarray, cache: TableCache) -> RawSplit:
    """Some rows of a table as a split of their own."""
    table = cache.put(split.table.select(rows).with_format("arrow").iter(ROWS))

    def take(lines: pa.ChunkedArray | None) -> pa.ChunkedArray | None:
        return None if lines is None else lines.take(rows)

    joined = tuple(replace(table, lines=take(table.lines)) for table in split.joined)
    return replace(split, name=name, table=table, lines=take(split.lines), joined=joined)


def column_of(table: Dataset, name: str) -> pa.ChunkedArray:
    """A column of the table itself: embedded images are not copied.

    `select_columns` would copy the features of all columns for each column that is read.
    """
    column, rows = table.data.table.column(name), table._indices
    return column if rows is None else column.take(rows.column(0))


def ids_of(table: Dataset) -> Iterator[str]:
    """Iterate over the column `id`, with one batch in memory at a time."""
    for batch in table.select_columns(["id"]).with_format("arrow").iter(ROWS):
        yield from batch["id"].to_pylist()


def choose_columns(splits: Sequence[RawSplit], image_column: str | None, id_column: str | None) -> Columns:
    """Choose the configured columns, else those with the usual names, else the first; a column of pictures comes first.

    Raises:
        UserError: a configured column does not exist.
    """
    table, origin = splits[0].table, splits[0].origin
    names, features = table.column_names, table.features  # a property that copies those of all columns each time
    problems = [
        f"data.{key}: {origin} has no column {name!r}. It has: {', '.join(names)}{did_you_mean(name, names)}"
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
    # Pictures that are in the table itself need no id: the row number can be the id.
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
    """Whether no cell is blank, and no value occurs twice."""
    return values.null_count == 0 and pc.count_distinct(values).as_py() == len(values)


def _named(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {name.lower(): name for name in reversed(names)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def is_identifier(feature: Any) -> bool:
    """Whether a column of this type may hold ids: whole numbers or text."""
    if not isinstance(feature, Value):
        return False
    return pa.types.is_integer(feature.pa_type) or feature.dtype in ("string", "large_string")
