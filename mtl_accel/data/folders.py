"""Folders of images with a metadata file, and folders of classes.

`datasets.load_dataset("imagefolder")` reads both, but guesses types in metadata.csv (class `001` becomes 1),
drops images without a row, loads rows without an image, and numbers classes by folder. So they are read here.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features, Value

from ..errors import UserError
from .paths import files_below, is_image
from .splits import ALIASES, RawSplit, choose_columns, split_of, text_split
from .tables import MAX_LISTED, read_csv

logger = logging.getLogger(__name__)

_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def split_folders(folder: Path) -> dict[str, Path]:
    """The folder of each split.

    Raises:
        UserError: two folders of one split, such as val/ and valid/.
    """
    found = {}
    for split, aliases in ALIASES.items():
        folders = [folder / alias for alias in aliases if (folder / alias).is_dir()]
        if len(folders) > 1:
            names = " and ".join(f"{path.name}/" for path in folders)
            raise UserError(f"{folder}: {names} are both the {split} split. Keep one of them")
        if folders:
            found[split] = folders[0]
    return found


def is_imagefolder(folder: Path) -> bool:
    return any(file.name in _METADATA or is_image(file.name) for file in files_below(folder))


def read(folder: Path, image_column: str | None) -> list[RawSplit]:
    """Each split from its metadata file, else from its class folders; without split folders all is train."""
    folders = split_folders(folder)
    metadata = _metadata_file(folder)
    if metadata is not None:
        return _by_first_folder(_read_metadata("train", metadata), image_column)
    splits = [_read_split(split, path) for split, path in (folders or {"train": folder}).items()]
    return [split for split in splits if split is not None]


def _metadata_file(folder: Path) -> Path | None:
    files = [folder / name for name in _METADATA if (folder / name).is_file()]
    if len(files) > 1:
        raise UserError(f"{folder}: {' and '.join(file.name for file in files)}: keep one of them")
    return files[0] if files else None


def _read_split(split: str, folder: Path) -> RawSplit | None:
    metadata = _metadata_file(folder)
    return _read_classes(split, folder) if metadata is None else _read_metadata(split, metadata)


def _read_metadata(split: str, file: Path) -> RawSplit:
    key = hashlib.blake2b(file.read_bytes()).hexdigest()
    bases = (file.parent,)
    if file.suffix == ".csv":
        return text_split(split, read_csv(file), key, bases)
    if file.suffix == ".jsonl":
        table, lines = _read_jsonl(file)
        return RawSplit(split, table, str(file), key, bases, lines)
    try:
        return RawSplit(split, Dataset(pq.read_table(file)), str(file), key, bases)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{file}: not a readable Parquet file: {error}. Write it anew") from error


def _read_jsonl(file: Path) -> tuple[Dataset, list[int]]:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: {error}. Save it as UTF-8 text, one JSON object a line") from error
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as error:
            raise UserError(f"{file}, line {line}: not JSON: {error}. Write one JSON object a line") from None
        if not isinstance(row, dict):
            raise UserError(f"{file}, line {line}: {content.strip()[:40]!r} is not a JSON object such as {{...}}")
        rows.append(row)
        lines.append(line)
    if not rows:
        raise UserError(f"{file}: it has no rows. Write one JSON object for each image")
    names = dict.fromkeys(name for row in rows for name in row)
    return Dataset(pa.table({name: _json_column(file, name, rows) for name in names})), lines


def _json_column(file: Path, name: str, rows: list[dict[str, Any]]) -> pa.Array:
    try:
        return pa.array([row.get(name) for row in rows])
    except pa.ArrowException as error:
        raise UserError(f"{file}: key {name!r} mixes types: {error}. Use one type in every row") from None


def _by_first_folder(split: RawSplit, image_column: str | None) -> list[RawSplit]:
    """One metadata file for the whole folder: a row whose image lies in test/ is of the test split, and so on."""
    names = split.table[choose_columns([split], image_column, None).image]
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        first = Path(name).parts[:-1][:1] if isinstance(name, str) else ()
        rows[(split_of(first[0]) if first else None) or "train"].append(row)
    table = split.table.with_format("arrow")[:]
    features = split.table.features
    found = []
    for name in (name for name in ALIASES if name in rows):
        part = Dataset(table.take(rows[name]).cast(features.arrow_schema))
        lines = None if split.lines is None else [split.lines[row] for row in rows[name]]
        found.append(RawSplit(name, part, split.origin, split.key, split.bases, lines))
    return found


def _read_classes(split: str, folder: Path) -> RawSplit | None:
    """Column `file_name`, and `label`: the first folder on the way to each image, None without one.

    Classes take turns, so that the first rows are not all of one class.
    """
    files = files_below(folder)
    others = [file for file in files if not is_image(file.name)]
    misplaced = [file for file in others if file.name in _METADATA]
    if misplaced:
        raise UserError(f"{misplaced[0]}: a metadata file must lie in the data folder itself or in a split's folder")
    if others:
        names = ", ".join(str(file.relative_to(folder)) for file in others[:MAX_LISTED])
        logger.warning("%s: %d entries are no image files and are not used: %s", folder, len(others), names)
    by_class: dict[str | None, list[str]] = defaultdict(list)
    for file in files:
        if is_image(file.name):
            relative = file.relative_to(folder)
            by_class[relative.parts[0] if len(relative.parts) > 1 else None].append(relative.as_posix())
    if not by_class:
        logger.warning("%s holds no image; there is no %s split", folder, split)
        return None
    rows = sorted((turn, name, label) for label, names in by_class.items() for turn, name in enumerate(names))
    columns: dict[str, list[str | None]] = {"file_name": [name for _, name, _ in rows]}
    if set(by_class) != {None}:
        columns["label"] = [label for _, _, label in rows]
    table = Dataset.from_dict(columns, features=Features({name: Value("string") for name in columns}))
    return RawSplit(split, table, str(folder), "", (folder,))
