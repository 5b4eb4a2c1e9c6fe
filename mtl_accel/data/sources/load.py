"""Reads any source of images and labels as a `DatasetDict` of train, validation and test.

Every split has the columns `id` (text, unique in its split), `image` (undecoded: `datasets.Image(decode=False)`),
and the source's labels under their own names. Cells of CSVs are text, and an empty one is None. Class
numbers of `datasets.ClassLabel` become class names, so that no class depends on the order of folders.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict

from ...config.sections.data import DataConfig
from ...core.atomic_io import cache_dir
from ...core.errors import MAX_LISTED, UserError, collect
from . import hub
from .column_names import configured_columns, match_columns, match_image_columns
from .images.image_names import printable
from .images.image_paths import ImageFinder
from .images.listing import FolderIndex
from .layouts.folders import read_layout
from .layouts.kaggle import image_folders
from .long_form import ListColumns, in_wide_form
from .normalize import Normalized, normalize
from .plugin_source import find_source, with_plugin_tables
from .split_column import divide_by_column
from .splits import Columns, RawSplit, choose_columns
from .table_cache import TableCache
from .tables.join import join_tables

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """The splits of a source, and the names of their columns in it.

    `id_column` is the name of the column `id` in the source; None: there was none, and the row number is the id.
    `fingerprint` changes when a table or an image file does. `origins` holds each split as the source had it: where
    its rows stand. `row_problems` says which ids and images are wrong: the caller raises them, with those of labels.
    `notes` are lines for the log: what was inferred. `inferred` holds it as values of knobs, by their dotted paths.
    """

    splits: DatasetDict
    image_column: str
    id_column: str | None
    fingerprint: str
    origins: Mapping[str, RawSplit]
    row_problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    inferred: Mapping[str, Any] = field(default_factory=dict)


def load_source(
    data: DataConfig, *, only: str | None = None, label_columns: Collection[str] = (), lists: ListColumns | None = None
) -> Source:
    """Read a folder (CSVs and images, imagefolder, Parquet, save_to_disk) or a data set of the Hub.

    Every row's image is found here, before training; images that no row names are logged as a warning.
    Tables are written into the cache folder, and read from there memory-mapped.

    Args:
        only: read and check this split alone; images and columns of the others may be missing.
        label_columns: columns that hold labels for certain, and so not the splits of the rows.
        lists: columns that may hold one label in each of several rows of an image.

    Raises:
        UserError: the source cannot be read, or a split lacks the columns of images and ids.
    """
    of_plugin, data = find_source(data.source) is not None, with_plugin_tables(data, only)
    cache, index = TableCache(cache_dir(data.cache_dir) / "tables"), FolderIndex()
    raw, folder = _read_tables(data, label_columns, cache, index, only)
    raw = raw if only is None else [_split_named(only, raw, data.source)]
    raw = raw if data.image_dirs is None else _with_image_dirs(raw, data.image_dirs)
    finder = _image_finder(raw, folder, index, exact=data.image_names == "exact")
    raw = match_image_columns(raw, data, finder)
    columns = choose_columns(raw, data.image_column, data.id_column)
    raw = in_wide_form(raw, data, columns, lists or {}, label_columns, cache)
    normalized = _normalize_all(raw, columns, finder, cache)
    row_problems = tuple(problem for split in normalized.values() for problem in split.problems)
    if folder is not None and only is None and not row_problems:
        _warn_of_unnamed_images(folder, finder)
    return Source(
        DatasetDict({name: _first_rows(split.table, data.max_images) for name, split in normalized.items()}),
        columns.image,
        columns.id,
        _fingerprint(raw, {} if folder is None else normalized, columns, data.max_images),
        {split.name: split for split in raw},
        row_problems,
        (*_merge_notes(raw, folder), *finder.spellings.notes()),
        {**({} if of_plugin else _merge_inferred(raw)), **columns.inferred},
    )


def _read_tables(
    data: DataConfig, label_columns: Collection[str], cache: TableCache, index: FolderIndex, only: str | None
) -> tuple[list[RawSplit], Path | None]:
    """Read the splits as they are in the source, from one table with a column of splits or from several.

    Returns: the splits, and the folder that the source is; None for a data set of the Hub.
    """
    found = read_layout(data, cache, index, only)
    folder = found.folder
    names = configured_columns(data, label_columns)
    raw = join_tables(match_columns(found.splits, names), data, folder, cache)

    def folders_of(split: str) -> tuple[Path, ...]:
        return () if folder is None else image_folders(folder, split)

    raw = divide_by_column(match_columns(raw, names), data.split_column, names, folders_of, cache)
    return raw, folder


def _with_image_dirs(raw: list[RawSplit], names: Sequence[str]) -> list[RawSplit]:
    """Give each split the folders of data.image_dirs, by their real paths.

    Raises:
        UserError: a folder does not exist.
    """
    placed: list[RawSplit] = []
    missing: dict[str, None] = {}
    for split in raw:
        table_folder = Path(split.origin) if Path(split.origin).is_dir() else Path(split.origin).parent
        dirs = [table_folder / Path(name).expanduser() for name in names]
        for name, path in zip(names, dirs, strict=True):
            if not path.is_dir():
                problem = f"data.image_dirs: {name!r} is no folder (looked at {path})"
                missing[f"{problem}. Give folders that exist, absolute or relative to that of the table"] = None
        placed.append(replace(split, image_dirs=tuple(path.resolve() for path in dirs)))
    if missing:
        raise UserError(list(missing))
    return placed


def _image_finder(raw: Sequence[RawSplit], folder: Path | None, index: FolderIndex, *, exact: bool) -> ImageFinder:
    """Finder of the images that may be read: in the folders of the source and of its tables, and in image_dirs."""
    if folder is None:
        return hub.image_finder()
    named = [path for split in raw for path in split.image_dirs]
    of_tables = [Path(split.origin).parent for split in raw if Path(split.origin).is_file()]
    return ImageFinder.of(*dict.fromkeys((folder, *named, *of_tables)), exact=exact, index=index)


def _split_named(name: str, raw: list[RawSplit], source: str) -> RawSplit:
    names = [split.name for split in raw]
    if name not in names:
        raise UserError(
            f"data.source: {source} has no {name} split; it has: {', '.join(names)}. Choose one of them by "
            f"--split, such as --split {names[0]}, or another source"
        )
    return raw[names.index(name)]


def _normalize_all(
    raw: list[RawSplit], columns: Columns, finder: ImageFinder, cache: TableCache
) -> dict[str, Normalized]:
    """Normalize every split. Raises UserError, with the problems of all rows, if a split lacks the columns."""
    normalized: dict[str, Normalized] = {}
    problems: list[str] = []
    for split in raw:
        with collect(problems):
            normalized[split.name] = normalize(split, columns, finder, cache)
            problems += normalized[split.name].problems
    if len(normalized) < len(raw):
        raise UserError(problems)
    return normalized


def _first_rows(table: Dataset, count: int | None) -> Dataset:
    return table if count is None else table.select(range(min(count, len(table))))


def _merge_notes(raw: Sequence[RawSplit], folder: Path | None) -> tuple[str, ...]:
    """One line for each thing that was inferred, with all the files that it was inferred of."""
    files: dict[str, dict[str, None]] = {}
    for split in raw:
        is_whole = folder is None or Path(split.origin) == folder
        origin = split.origin if is_whole else os.path.relpath(split.origin, folder)
        for note in split.notes:
            files.setdefault(note, {})[origin] = None
    return tuple(f"{', '.join(origins)}: {note}" for note, origins in files.items())


def _merge_inferred(raw: Sequence[RawSplit]) -> dict[str, Any]:
    """What was inferred of every split alike: where they differ, as comma and semicolon do, no one value says it."""
    pairs = [pair for split in raw for pair in split.inferred.items()]
    return {key: value for key, value in pairs if all(other == value for name, other in pairs if name == key)}


def _warn_of_unnamed_images(folder: Path, finder: ImageFinder) -> None:
    """Log the images of a data folder that no row names. A subset of rows is legitimate, so it is no error."""
    if not finder.found_any:
        return
    unnamed, count = finder.unnamed(folder)
    if not unnamed:
        return
    names = ", ".join(printable(os.path.relpath(file, folder)) for file in unnamed[:MAX_LISTED])
    hint = ", more than half: is this the right table?" if 2 * len(unnamed) > count else ""
    logger.warning("%s: %d of %d images have no row%s: %s", folder, len(unnamed), count, hint, names)


def _fingerprint(
    raw: list[RawSplit], normalized: Mapping[str, Normalized], columns: Columns, max_images: int | None
) -> str:
    """Digest of the tables, and of path, size and time of change of the image files of a folder.

    The files of a Hub data set are known by its commit, which is in the tables' own fingerprints.
    """
    digests = {name: split.digest for name, split in normalized.items()}
    parts = [[split.name, split.key, digests.get(split.name)] for split in raw]
    state = json.dumps([parts, columns.image, columns.id, max_images])
    return hashlib.blake2b(state.encode(), digest_size=16).hexdigest()
