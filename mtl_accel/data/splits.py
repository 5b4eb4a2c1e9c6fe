"""From the table of one split, as a source had it, to the columns `id`, `image` and the labels."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Image, List, Value, concatenate_datasets

from ..errors import UserError
from .paths import ImageFinder, NoImageError
from .tables import TextTable, shorten

logger = logging.getLogger(__name__)

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
    folder or Hub id that errors name. `lines` is the line of each row in a text file. `key` changes when the
    table does.
    """

    name: str
    table: Dataset
    origin: str
    key: str
    bases: tuple[Path, ...] = ()
    lines: Sequence[int] | None = None

    def place(self, row: int) -> str:
        if self.lines is not None:
            return f"{self.origin}, line {self.lines[row]}"
        return f"{self.origin}, split {self.name}, row {row} (from 0)"


@dataclass(frozen=True)
class Columns:
    """Which columns hold images and ids; `id` is None when the row number is the id."""

    image: str
    id: str | None


def split_of(name: str) -> str | None:
    """The split that a folder, file stem or Hub split of this name is."""
    return next((split for split, aliases in ALIASES.items() if name.lower() in aliases), None)


def text_split(name: str, table: TextTable, key: str, bases: tuple[Path, ...]) -> RawSplit:
    columns = {column: pa.array(cells, pa.string()) for column, cells in table.columns.items()}
    return RawSplit(name, Dataset(pa.table(columns)), str(table.path), key, bases, table.lines)


def choose_columns(splits: Sequence[RawSplit], image_column: str | None, id_column: str | None) -> Columns:
    """The configured columns, else those with the usual names, else the first; a column of pictures wins.

    Raises:
        UserError: a configured column is not there.
    """
    table, origin = splits[0].table, splits[0].origin
    names = table.column_names
    problems = [
        f"data.{key}: {origin} has no column {name!r}. It has: {', '.join(names)}"
        for key, name in (("image_column", image_column), ("id_column", id_column))
        if name is not None and name not in names
    ]
    if problems:
        raise UserError(problems)
    pictures = [name for name in names if _holds_pictures(table.features[name])]
    found = _named(IMAGE_NAMES, pictures) or (pictures or [_named(IMAGE_NAMES, names) or names[0]])[0]
    image = image_column or found
    if id_column is not None:
        return Columns(image, id_column)
    identifiers = [name for name in names if _is_identifier(table, name)]
    if image in identifiers:
        return Columns(image, _named(ID_NAMES, identifiers) or names[0])
    # Pictures that lie in the table itself need no id of their own: the row number serves.
    usable = [name for name in identifiers if all(_is_unique(split.table, name) for split in splits)]
    return Columns(image, _named(ID_NAMES, usable))


def _holds_pictures(feature: Any) -> bool:
    if isinstance(feature, Value):
        return feature.dtype in ("binary", "large_binary")
    return isinstance(feature, Image) or (isinstance(feature, dict) and "bytes" in feature)


def _is_unique(table: Dataset, name: str) -> bool:
    if name not in table.column_names:
        return False
    values = _column(table, name)
    return values.null_count == 0 and len(pc.unique(values)) == len(values)


def _named(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    by_name = {name.lower(): name for name in reversed(names)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _is_identifier(table: Dataset, name: str) -> bool:
    feature = table.features[name]
    if not isinstance(feature, Value):
        return False
    return pa.types.is_integer(feature.pa_type) or feature.dtype in ("string", "large_string")


def normalise(split: RawSplit, columns: Columns, finder: ImageFinder) -> tuple[Dataset, list[Path]]:
    """Columns `id` (unique text), `image` (undecoded) and the rest, and the files that the images are read from.

    Raises:
        UserError: ids are empty or doubled, or images are missing or outside of the data folder.
    """
    missing = [name for name in (columns.image, columns.id) if name and name not in split.table.column_names]
    if missing:
        there = ", ".join(split.table.column_names)
        raise UserError(
            f"{split.origin}, split {split.name}: no column {missing[0]!r}, which other splits have. "
            f"It has: {there}. Give every split the same names of its image and id columns"
        )
    table = split.table
    ids, id_problems = _ids(split, table, columns)
    images, files, image_problems = _images(split, table, columns, finder)
    if id_problems or image_problems:
        raise UserError([*id_problems, *image_problems])
    parts = [Dataset.from_dict({"id": ids}, features=Features({"id": Value("string")})), images]
    parts += _labels(split, table.remove_columns([name for name in {columns.image, columns.id} if name]))
    return concatenate_datasets(parts, axis=1), files


def _ids(split: RawSplit, table: Dataset, columns: Columns) -> tuple[list[str], list[str]]:
    if columns.id is None:
        return [str(row) for row in range(len(table))], []
    if not _is_identifier(table, columns.id):
        raise UserError(f"data.id_column: {columns.id!r} of {split.origin} holds neither text nor whole numbers")
    ids = ["" if value is None else str(value) for value in _column(table, columns.id).to_pylist()]
    first: dict[str, int] = {}
    problems = []
    for row, value in enumerate(ids):
        if not value:
            problems.append(f"{split.place(row)}: the id (column {columns.id!r}) is empty. Fill it in")
        elif first.setdefault(value, row) != row:
            problems.append(
                f"{split.place(row)}: id {value!r} (column {columns.id!r}) stands also in "
                f"{_short(split, first[value])}. Ids must be unique in a split: remove one of the rows, or name "
                "another column as data.id_column"
            )
    return ids, shorten(problems, "rows with an empty or doubled id")


def _column(table: Dataset, name: str) -> pa.ChunkedArray:
    """A column as it lies in the table: embedded images are not copied."""
    return table.select_columns([name]).with_format("arrow")[:][name]


def _short(split: RawSplit, row: int) -> str:
    return f"line {split.lines[row]}" if split.lines is not None else f"row {row}"


def _images(
    split: RawSplit, table: Dataset, columns: Columns, finder: ImageFinder
) -> tuple[Dataset, list[Path], list[str]]:
    """The image column alone, the files that it names, and the problems with them."""
    try:
        images = table.select_columns([columns.image]).cast_column(columns.image, Image(decode=False))
    except (TypeError, ValueError, NotImplementedError, pa.ArrowInvalid) as error:
        kind = table.features[columns.image]
        raise UserError(
            f"data.image_column: {columns.image!r} of {split.origin} holds no images but {kind}. "
            f"Name one of {', '.join(table.column_names)} that does"
        ) from error
    if columns.image != "image":
        images = images.rename_column(columns.image, "image")
    column = _column(images, "image")
    embedded = pc.is_valid(pc.struct_field(column, "bytes")).to_pylist()
    names = pc.struct_field(column, "path").to_pylist()
    if all(embedded):
        return images, [], []
    files, problems = [], []
    for row, name in enumerate(names):
        if embedded[row]:
            continue
        try:
            if not name:
                raise NoImageError("the cell is empty")
            path = finder.find(name, split.bases)
            files.append(path)
            names[row] = str(path)
        except NoImageError as error:
            problems.append(f"{split.place(row)}: image {name!r} (column {columns.image!r}): {error}")
    if problems:
        fix = f"Add the files, remove the rows, or set data.image_column to another of {', '.join(table.column_names)}"
        return images, files, [*shorten(problems, "rows without an image"), fix]
    return _with_paths(column, names), files, []


def _with_paths(column: pa.ChunkedArray, names: list[str | None]) -> Dataset:
    """The image column with other paths; embedded bytes stay where they are."""
    content = pc.struct_field(column, "bytes").combine_chunks()
    struct = pa.StructArray.from_arrays([content, pa.array(names, pa.string())], ["bytes", "path"])
    features = Features({"image": Image(decode=False)})
    return Dataset(pa.table({"image": struct}, schema=features.arrow_schema))


def _labels(split: RawSplit, table: Dataset) -> list[Dataset]:
    """Every other column: class numbers as class names, further images undecoded, the rest as it is."""
    for reserved in ("id", "image"):
        if reserved in table.column_names:
            logger.warning(
                "%s: column %r is not the %s column of this run; it is kept as %r",
                *(split.origin, reserved, reserved, f"source_{reserved}"),
            )
            table = table.rename_column(reserved, f"source_{reserved}")
    parts = []
    for name, feature in table.features.items():
        if isinstance(feature, Image):
            table = table.cast_column(name, Image(decode=False))
        elif isinstance(feature, ClassLabel):
            values = [_class_name(feature, value) for value in _column(table, name).to_pylist()]
            parts.append(Dataset.from_dict({name: values}, features=Features({name: Value("string")})))
        elif isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
            lists = [
                None if row is None else [_class_name(feature.feature, value) for value in row]
                for row in _column(table, name).to_pylist()
            ]
            parts.append(Dataset.from_dict({name: lists}, features=Features({name: List(Value("string"))})))
    plain = [name for name in table.column_names if all(name not in part.column_names for part in parts)]
    return [*([table.select_columns(plain)] if plain else []), *parts]


def _class_name(feature: ClassLabel, value: Any) -> str | None:
    return None if value is None or value < 0 else str(feature.names[value])
