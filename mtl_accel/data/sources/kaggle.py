"""A Kaggle-style folder: train.csv, val.csv, test.csv, and images beside them or in a folder of the split."""

from __future__ import annotations

from pathlib import Path

from ...core.errors import UserError
from .splits import ALIASES, RawSplit, text_split
from .table_cache import TableCache
from .text_tables import read_csv


def csv_files(folder: Path) -> dict[str, Path]:
    """The CSV of each split; empty when this is no such folder.

    Raises:
        UserError: two files of one split, such as val.csv and valid.csv.
    """
    found = {}
    for split, aliases in ALIASES.items():
        files = [folder / f"{alias}.csv" for alias in aliases if (folder / f"{alias}.csv").is_file()]
        if len(files) > 1:
            names = " and ".join(file.name for file in files)
            raise UserError(f"{folder}: {names} are both the {split} split. Keep one of them")
        if files:
            found[split] = files[0]
    return found


def read(folder: Path, cache: TableCache) -> list[RawSplit]:
    return [
        text_split(split, read_csv(file, cache), image_folders(folder, split))
        for split, file in csv_files(folder).items()
    ]


def image_folders(folder: Path, split: str) -> tuple[Path, ...]:
    """Where the images of a split are looked for, in this order: beside the CSV, its folder, images/."""
    candidates = [folder]
    for alias in ALIASES[split]:
        candidates += [folder / alias, folder / alias / "images", folder / f"{alias}_images", folder / "images" / alias]
    candidates.append(folder / "images")
    return tuple(path for path in candidates if path.is_dir())
