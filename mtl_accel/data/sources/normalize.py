"""From the table of one split, as it is in its source, to the columns `id`, `image` and the labels."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Features, Image, List, Value, concatenate_datasets

from ...core.errors import UserError, shorten
from .images.image_paths import ImageFinder, NoImageError
from .images.listing import ImageFile
from .splits import Columns, RawSplit, column_of, is_identifier, is_unique, undecoded_images
from .table_cache import ROWS, TableCache

logger = logging.getLogger(__name__)


class Normalized(NamedTuple):
    """A split's table, a digest of its image files, and the problems of its rows.

    The problems are ids that are empty or occur twice, and images that are missing or outside the data folder.
    """

    table: Dataset
    digest: str
    problems: list[str]


def normalize(split: RawSplit, columns: Columns, finder: ImageFinder, cache: TableCache) -> Normalized:
    """Give a split the columns `id` (unique text), `image` (undecoded) and the others.

    Columns stay in the table of the source where they can; ids, paths and class names are written into the cache. So no
    table stays in memory, and while this runs only a set of the ids grows with the rows.

    Raises:
        UserError: the columns of ids and images do not exist, or hold something else.
    """
    missing = [name for name in (columns.image, columns.id) if name and name not in split.table.column_names]
    if missing:
        there = ", ".join(split.table.column_names)
        raise UserError(
            f"{split.origin}, split {split.name}: no column {missing[0]!r}, which other splits have. "
            f"It has: {there}. Give every split the same names of its image and id columns"
        )
    ids = _ids(split, columns)
    images = _images(split, columns)
    labels = _labels(split, split.table.remove_columns([name for name in {columns.image, columns.id} if name]))
    numbered = {name: feature for name, feature in labels.features.items() if _holds_class_numbers(feature)}
    files = _Files(split, columns, finder)
    written = cache.put(_batches(ids, images, labels, numbered, files))
    plain = labels.remove_columns(list(numbered)) if numbered else labels
    parts = [
        written.select_columns(["id"]),
        written.select_columns(["image"]) if "image" in written.column_names else images,
        *([plain] if plain.column_names else []),
        *([written.select_columns(list(numbered))] if numbered else []),
    ]
    problems = [*_id_problems(split, columns, ids), *files.problems()]
    return Normalized(concatenate_datasets(parts, axis=1), files.digest.hexdigest(), problems)


def _batches(
    ids: pa.ChunkedArray | None, images: Dataset, labels: Dataset, numbered: Mapping[str, Any], files: _Files
) -> Iterator[pa.Table]:
    """The columns that have to be written; pictures stay in the table of the source if all of them are in it."""
    column = column_of(images, "image")
    features = Features({"id": Value("string")})
    if not pc.all(pc.is_valid(pc.struct_field(column, "bytes"))).as_py():
        features["image"] = images.features["image"]
    for name, feature in numbered.items():
        features[name] = List(Value("string")) if isinstance(feature, List) else Value("string")
    for start in range(0, max(len(column), 1), ROWS):
        rows = slice(start, min(start + ROWS, len(column)))
        cells = {"id": [str(row) for row in range(rows.start, rows.stop)] if ids is None else ids[rows]}
        if "image" in features:
            cells["image"] = files.find(start, column[rows].combine_chunks())
        for name, feature in numbered.items():
            cells[name] = [_class_names(feature, number) for number in column_of(labels, name)[rows].to_pylist()]
        yield pa.table(cells, schema=features.arrow_schema)


def _ids(split: RawSplit, columns: Columns) -> pa.ChunkedArray | None:
    """The ids as text; None if the row number is the id."""
    if columns.id is None:
        return None
    if not is_identifier(split.table.features[columns.id]):
        raise UserError(f"data.id_column: {columns.id!r} of {split.origin} holds neither text nor whole numbers")
    return column_of(split.table, columns.id).cast(pa.string())


def _id_problems(split: RawSplit, columns: Columns, ids: pa.ChunkedArray | None) -> list[str]:
    if ids is None or (is_unique(ids) and not pc.any(pc.equal(ids, "")).as_py()):
        return []
    first: dict[str, int] = {}
    bad = [
        (row, value) for row, value in enumerate(ids.to_pylist()) if not value or first.setdefault(value, row) != row
    ]
    places = split.describe_rows([row for row, _ in bad])
    others = split.describe_rows([first[value] if value else row for row, value in bad])
    problems = [
        f"{place}: id {value!r} (column {columns.id!r}) stands also in {other.removeprefix(f'{split.origin}, ')}. "
        "Ids must be unique in a split: remove one of the rows, name another column as data.id_column, or set "
        'data.rows to "long" if each row is one label of its image'
        if value
        else f"{place}: the id (column {columns.id!r}) is empty. Fill it in"
        for (_, value), place, other in zip(bad, places, others, strict=True)
    ]
    return shorten(problems, "rows with an empty or doubled id")


def _images(split: RawSplit, columns: Columns) -> Dataset:
    """The image column alone, undecoded."""
    table = split.table
    return undecoded_images(
        table,
        columns.image,
        f"data.image_column: {columns.image!r} of {split.origin} holds no images but {table.features[columns.image]}. "
        f"Name one of {', '.join(table.column_names)} that does",
    )


class _Files:
    """Finds the files that an image column names, and digests their sizes and times of change."""

    def __init__(self, split: RawSplit, columns: Columns, finder: ImageFinder) -> None:
        self.split, self.columns, self.finder = split, columns, finder
        self.digest = hashlib.blake2b(digest_size=16)
        self._bad: list[tuple[int, str]] = []

    def find(self, start: int, images: pa.StructArray) -> pa.StructArray:
        """Replace the names by real paths, in images from row `start` on; embedded bytes stay as they are."""
        content, names = pc.struct_field(images, "bytes"), pc.struct_field(images, "path").to_pylist()
        found: list[ImageFile] = []
        for row in (~content.is_valid().to_numpy(zero_copy_only=False)).nonzero()[0].tolist():
            try:
                if not names[row]:
                    raise NoImageError("the cell is empty")
                found.append(self.finder.find(names[row], self.split.bases, self.split.image_dirs))
                names[row] = found[-1].path
            except NoImageError as error:  # noqa: PERF203 - every wrong row is reported
                self._bad.append((start + row, f"image {names[row]!r} (column {self.columns.image!r}): {error}"))
        stamps = (f"{self.finder.relative(file.path)}\0{file.size}\0{file.changed_ns}\0" for file in found)
        self.digest.update("".join(stamps).encode())
        return pa.StructArray.from_arrays([content, pa.array(names, pa.string())], ["bytes", "path"])

    def problems(self) -> list[str]:
        """Describe the rows without an image."""
        if not self._bad:
            return []
        places = self.split.describe_rows([row for row, _ in self._bad])
        problems = [f"{place}: {problem}" for place, (_, problem) in zip(places, self._bad, strict=True)]
        others = ", ".join(self.split.table.column_names)
        fix = f"Add the files, remove the rows, or set data.image_column to another of {others}"
        return [*shorten(problems, "rows without an image"), fix]


def _labels(split: RawSplit, table: Dataset) -> Dataset:
    """Every other column, renamed where it would be a second `id` or `image`; further images are undecoded."""
    for reserved in ("id", "image"):
        if reserved in table.column_names:
            logger.warning(
                "%s: column %r is not the %s column of this run; it is kept as %r",
                *(split.origin, reserved, reserved, f"source_{reserved}"),
            )
            table = table.rename_column(reserved, f"source_{reserved}")
    for name, feature in table.features.items():
        if isinstance(feature, Image):
            table = table.cast_column(name, Image(decode=False))
    return table


def _holds_class_numbers(feature: Any) -> bool:
    """Whether a column holds class numbers, which mean classes in the order in which the source lists them."""
    return isinstance(feature.feature if isinstance(feature, List) else feature, ClassLabel)


def _class_names(feature: Any, value: Any) -> Any:
    if isinstance(feature, List):
        return None if value is None else [_class_names(feature.feature, inner) for inner in value]
    return None if value is None or value < 0 else str(feature.names[value])
