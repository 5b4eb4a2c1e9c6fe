"""Finds where the tables of a source lie, and chooses who reads them."""

from __future__ import annotations

from pathlib import Path

from ...config.sections.data import DataConfig
from ...core.atomic_io import cache_dir
from ...core.errors import MAX_LISTED, UserError
from ..wardrobe.wardrobe import write_wardrobe
from . import arrow, hub, imagefolder, kaggle, single_table
from .splits import RawSplit
from .table_cache import TableCache
from .tables.read_table import READERS, is_table
from .tables.text_format import TextFormat


def find_path(data: DataConfig) -> Path | None:
    """The real path of the source's folder or table, with the wardrobe drawn if it is the source; None for the Hub.

    Raises:
        UserError: the source is neither.
    """
    if data.source == "wardrobe":
        cache = cache_dir(data.cache_dir) / "wardrobe"
        return write_wardrobe(data.wardrobe, cache, num_workers=max(data.num_workers, 1)).resolve()
    path = Path(data.source).expanduser()
    if path.exists():
        return path.resolve()
    if hub.is_hub_id(data.source):
        return None
    raise UserError(
        f"data.source: {data.source!r} is neither a folder that exists (looked at {path.absolute()}) nor the id of a "
        "Hub data set, which reads owner/name. Correct the path"
    )


def read_path(path: Path, data: DataConfig, cache: TableCache) -> list[RawSplit]:
    if path.is_dir():
        return _read_folder(path, data, cache)
    if is_table(path):
        return [single_table.read_single_table(path, TextFormat.of(data), cache, named=True)]
    raise UserError(f"data.source: {path} is a file. Give the folder that it lies in, or one of {', '.join(READERS)}")


def _read_folder(folder: Path, data: DataConfig, cache: TableCache) -> list[RawSplit]:
    text = TextFormat.of(data)
    if arrow.is_saved(folder):
        return arrow.read_saved(folder)
    if kaggle.is_kaggle_folder(folder):
        return kaggle.read_kaggle_folder(folder, text, cache)
    if arrow.parquet_files(folder):
        return arrow.read_parquet(folder)
    if (table := single_table.find_single_table(folder, data)) is not None:
        return [single_table.read_single_table(table, text, cache)]
    if imagefolder.is_imagefolder(folder):
        return imagefolder.read_imagefolder(folder, data.image_column, text, cache)
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:MAX_LISTED]) or "nothing"
    raise UserError(
        f"data.source: {folder} holds no data set. Expected train.csv or one other table with images, "
        "train/metadata.csv (or .jsonl, .parquet), class folders with images, train*.parquet, or a folder of "
        f"save_to_disk. It holds: {there}"
    )
