"""Folders of images with a metadata file, and folders of classes.

`datasets.load_dataset("imagefolder")` reads both, but it guesses types in metadata.csv (class `001` becomes 1),
drops images without a row, accepts rows without an image, and numbers classes by folder.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...core.errors import MAX_LISTED, UserError
from .images.image_names import is_image
from .images.listing import FolderIndex, Listing, is_junk
from .splits import ALIASES, RawSplit, choose_columns, column_of, split_of, split_paths, take_rows
from .table_cache import ROWS, TableCache
from .tables.read_table import read_table
from .tables.text_format import TextFormat

logger = logging.getLogger(__name__)

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def has_metadata(folder: Path) -> bool:
    """Whether a metadata file lies in a folder or in that of one of its splits."""
    return any(_metadata_file(place) is not None for place in (folder, *split_paths(folder).values()))


def images_in(listing: Listing) -> bool:
    """Whether images lie in a folder itself."""
    return any(is_image(name) and not is_junk(name) for name in listing.named)


def has_images(folder: Path, index: FolderIndex) -> bool:
    return any(is_image(name) for _, name in index.files_below(folder))


def read_imagefolder(
    folder: Path, image_column: str | None, text: TextFormat, cache: TableCache, index: FolderIndex
) -> list[RawSplit]:
    """Read each split from its metadata file, else from its class folders; without split folders all rows are train."""
    metadata = _metadata_file(folder)
    if metadata is not None:
        return _divide_by_folder(_read_metadata("train", metadata, text, cache), image_column, cache)
    folders = split_paths(folder) or {"train": folder}
    splits = [_read_split(split, path, text, cache, index) for split, path in folders.items()]
    return [split for split in splits if split is not None]


def _metadata_file(folder: Path) -> Path | None:
    files = [folder / name for name in _METADATA if (folder / name).is_file()]
    if len(files) > 1:
        raise UserError(f"{folder}: {' and '.join(file.name for file in files)}: keep one of them")
    return files[0] if files else None


def _read_split(split: str, folder: Path, text: TextFormat, cache: TableCache, index: FolderIndex) -> RawSplit | None:
    metadata = _metadata_file(folder)
    if metadata is not None:
        return _read_metadata(split, metadata, text, cache)
    return _read_classes(split, folder, cache, index)


def _read_metadata(split: str, file: Path, text: TextFormat, cache: TableCache) -> RawSplit:
    return read_table(file, cache, split, (file.parent,), text)


def _divide_by_folder(split: RawSplit, image_column: str | None, cache: TableCache) -> list[RawSplit]:
    """Divide the rows of one metadata file: those with an image in test/ are the test split, and so on."""
    column = column_of(split.table, choose_columns([split], image_column, None).image)
    names = list(ALIASES)
    of_rows = np.empty(len(column), np.int8)
    for start in range(0, len(column), ROWS):
        cells = column[start : start + ROWS].to_pylist()
        of_rows[start : start + ROWS] = [names.index(_split_of_image(cell)) for cell in cells]
    return [
        take_rows(split, name, np.flatnonzero(of_rows == code), cache)
        for code, name in enumerate(names)
        if (of_rows == code).any()
    ]


def _split_of_image(name: Any) -> str:
    first = Path(name).parts[:-1][:1] if isinstance(name, str) else ()
    return (split_of(first[0]) if first else None) or "train"


def _read_classes(split: str, folder: Path, cache: TableCache, index: FolderIndex) -> RawSplit | None:
    """Read class folders: column `file_name`, and `label`, the first folder in each path (None if there is none).

    Classes take turns, so that the first rows are not all of one class.
    """
    files = index.relative_files(folder)
    others = [file for file in files if not is_image(file)]
    misplaced = [file for file in others if file.rpartition(os.sep)[2] in _METADATA]
    if misplaced:
        place = folder / misplaced[0]
        raise UserError(f"{place}: a metadata file must lie in the data folder itself or in a split's folder")
    if others:
        names = ", ".join(others[:MAX_LISTED])
        logger.warning("%s: %d entries are no image files and are not used: %s", folder, len(others), names)
    by_class: dict[str | None, list[str]] = defaultdict(list)
    for file in filter(is_image, files):
        by_class[file.split(os.sep, 1)[0] if os.sep in file else None].append(file)
    if not by_class:
        logger.warning("%s holds no image; there is no %s split", folder, split)
        return None
    rows = sorted((turn, name, label) for label, names in by_class.items() for turn, name in enumerate(names))
    batches = (_class_batch(rows[n : n + ROWS], set(by_class) != {None}) for n in range(0, len(rows), ROWS))
    return RawSplit(split, cache.put(batches), str(folder), "", (folder,))


def _class_batch(rows: list[tuple[int, str, str | None]], has_classes: bool) -> pa.Table:
    columns = {"file_name": pa.array([name for _, name, _ in rows], pa.string())}
    if has_classes:
        columns["label"] = pa.array([label for _, _, label in rows], pa.string())
    return pa.table(columns)
