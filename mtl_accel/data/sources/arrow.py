"""Tables in the formats of `datasets`: Parquet files and folders of `save_to_disk`."""

from __future__ import annotations

import glob
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from datasets import Dataset, DatasetDict, Value, load_dataset, load_from_disk
from datasets.exceptions import DatasetsError

from ...core.errors import UserError
from .images.listing import file_stamps
from .splits import RawSplit, column_of, split_of, split_paths
from .tables.parquet_file import check_parquet_file, check_parquet_header

logger = logging.getLogger(__name__)


def is_saved(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def read_saved(folder: Path) -> list[RawSplit]:
    """Read a folder of `save_to_disk`; a single Dataset is the train split.

    Raises:
        UserError: it is damaged, or names files outside of itself.
    """
    try:
        _check_inside(folder)
        saved = load_from_disk(str(folder))
        for table in [saved] if isinstance(saved, Dataset) else saved.values():
            _check_text(table)
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException, DatasetsError) as error:
        raise UserError(
            f"data.source: {folder} is no readable folder of save_to_disk: {error}. Save the data set anew"
        ) from error
    tables = {"train": saved} if isinstance(saved, Dataset) else saved
    files = {name: [Path(file["filename"]) for file in table.cache_files] for name, table in tables.items()}
    keys = {name: json.dumps([tables[name]._fingerprint, file_stamps(files[name], folder)]) for name in tables}
    return name_splits(tables, str(folder), keys, (folder,))


def _check_inside(folder: Path) -> None:
    """Check that the tables of a folder of `save_to_disk` lie in it: its JSON files may name any other file."""
    index = folder / "dataset_dict.json"
    names = json.loads(index.read_text(encoding="utf-8"))["splits"] if index.is_file() else [""]
    problems = []
    for state in (folder / name / "state.json" for name in names):
        files = [
            state,
            *(state.parent / file["filename"] for file in json.loads(state.read_bytes())["_data_files"]),
        ]
        problems += [
            f"{file}: it lies outside of {folder}, whose {state.relative_to(folder)} names it. Save the data set anew"
            for file in files
            if not file.resolve().is_relative_to(folder.resolve())
        ]
    if problems:
        raise UserError(problems)


def _check_text(table: Dataset) -> None:
    """Check that the text of a table is UTF-8. Raises ArrowInvalid where it is not."""
    for name, feature in table.features.items():
        if isinstance(feature, Value) and feature.dtype in ("string", "large_string"):
            column_of(table, name).validate(full=True)


def parquet_files(folder: Path) -> dict[str, list[Path]]:
    """The Parquet files of each split: train.parquet, train-00000-of-00002.parquet, train/*.parquet, also in data/.

    If no name contains a split, all files are train. Empty if there are none.
    """
    found: dict[str, list[Path]] = {}
    unnamed = []
    for file in sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")]):
        split = _split_in_name(file)
        if file.name == "metadata.parquet":
            continue
        if split is None:
            unnamed.append(file)
        else:
            found.setdefault(split, []).append(file)
    for parent in (folder, folder / "data"):
        for split, path in split_paths(parent).items():
            files = [file for file in sorted(path.glob("*.parquet")) if file.name != "metadata.parquet"]
            if files:
                found.setdefault(split, []).extend(files)
    if found and unnamed:
        names = ", ".join(file.name for file in unnamed)
        logger.warning("%s: the names of these files contain no split, so they are not used: %s", folder, names)
    return found or ({"train": unnamed} if unnamed else {})


def _split_in_name(file: Path) -> str | None:
    return split_of(re.split(r"[-_.]", file.stem)[0])


def read_parquet(folder: Path) -> list[RawSplit]:
    files = parquet_files(folder)
    for file in (file for paths in files.values() for file in paths):
        check_parquet_header(file)
    try:
        # `datasets` reads names as patterns, so brackets in the name of a folder must be escaped.
        data_files = {split: [glob.escape(str(file)) for file in paths] for split, paths in files.items()}
        tables = load_dataset("parquet", data_files=data_files)
        for table in tables.values():
            _check_text(table)
    except (OSError, ValueError, TypeError, pa.ArrowException, DatasetsError) as error:
        for file in (file for paths in files.values() for file in paths):
            check_parquet_file(file)
        reason = str(error.__cause__ or error)
        raise UserError(
            f"data.source: the Parquet files of {folder} cannot be read: {reason}. Write them anew, all files of a "
            "split with the same columns"
        ) from error
    keys = {split: json.dumps(file_stamps(paths, folder)) for split, paths in files.items()}
    raw = name_splits(tables, str(folder), keys, (*{file.parent: None for f in files.values() for file in f}, folder))
    if any(_split_in_name(file) or split_of(file.parent.name) for paths in files.values() for file in paths):
        return raw
    names = ", ".join(file.name for file in files["train"])
    note = f"{names}: read as training data, as no name says a split (data.tables)"
    return [replace(split, notes=(*split.notes, note)) for split in raw]


def name_splits(
    tables: Mapping[str, Dataset] | DatasetDict, origin: str, keys: Mapping[str, str], bases: tuple[Path, ...]
) -> list[RawSplit]:
    """Give each table the name of its split here; a single table with another name is train.

    Raises:
        UserError: no name is known, or two names mean the same split.
    """
    if len(tables) == 1 and split_of(str(next(iter(tables)))) is None:
        (name,) = tables
        return [RawSplit("train", tables[name], origin, keys[name], bases)]
    found: dict[str, RawSplit] = {}
    unknown = []
    for name, table in tables.items():
        split = split_of(str(name))
        if split is None:
            unknown.append(str(name))
        elif split in found:
            raise UserError(f"data.source: {origin} has two {split} splits among {', '.join(map(str, tables))}")
        else:
            found[split] = RawSplit(split, table, origin, keys[name], bases)
    if not found:
        raise UserError(
            f"data.source: {origin} has the splits {', '.join(unknown)}, none of them train, validation or test. "
            "Rename them"
        )
    if unknown:
        logger.warning("%s: splits that are not used: %s", origin, ", ".join(unknown))
    return sorted(found.values(), key=lambda split: ("train", "validation", "test").index(split.name))
