"""A Kaggle-style folder: train.csv, val.csv, test.csv, and images beside them or in a folder of the split."""

from __future__ import annotations

from pathlib import Path

from ..splits import ALIASES, RawSplit, split_paths
from ..table_cache import TableCache
from ..tables.text_format import TextFormat
from ..tables.text_tables import read_csv


def split_tables(folder: Path) -> dict[str, Path]:
    """The CSV of each split; empty if there is none."""
    return split_paths(folder, ".csv")


def read_kaggle_folder(folder: Path, text: TextFormat, cache: TableCache) -> list[RawSplit]:
    """Each split from its CSV."""
    files = split_tables(folder)
    return [read_csv(file, cache, split, image_folders(folder, split), text) for split, file in files.items()]


def image_folders(folder: Path, split: str) -> tuple[Path, ...]:
    """Where the images of a split are looked for, in this order: beside the CSV, its folder, images/."""
    candidates = [folder]
    for alias in ALIASES[split]:
        candidates += [folder / alias, folder / alias / "images", folder / f"{alias}_images", folder / "images" / alias]
    candidates.append(folder / "images")
    return tuple(path for path in candidates if path.is_dir())
