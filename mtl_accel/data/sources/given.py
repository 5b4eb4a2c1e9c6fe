"""Data that a caller of the Python functions gives: data frames and data sets, kept in the cache as tables.

The tables lie in a folder that their content names. So a run that is given the same data again can be resumed, its
processes agree, and its report finds the pictures although nobody gives them then.
"""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, IterableDataset, IterableDatasetDict
from datasets import Image as ImageFeature
from PIL import Image

from ...config import Config
from ...config.sections.data import DataConfig
from ...core import atomic_io
from ...core.errors import UserError, collect
from .splits import split_of
from .table_cache import ROWS, digest_of

GivenData: TypeAlias = pd.DataFrame | Dataset | Mapping[str, pd.DataFrame | Dataset]

_ACCEPTED = "give a pandas.DataFrame, a datasets.Dataset, or a mapping of the names of splits to these"
_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})  # TIFF holds the others without a loss


def with_given_data(config: Config, data: GivenData | None, split: str = "train") -> Config:
    """Return the config with `data` as its source; None: the config as it is.

    Names of image files are relative to data.image_dirs, else to the working folder, and no other file is read.

    Args:
        split: what a single table is.

    Raises:
        UserError: everything in the data that is no table of images.
    """
    if data is None:
        return config
    return config.model_copy(update={"data": given_section(config.data, data, split)})


def given_section(section: DataConfig, data: GivenData, split: str) -> DataConfig:
    """The section `data` of a config with tables as its source; arguments and errors as of `with_given_data`."""
    tables = dict(data) if isinstance(data, Mapping) else {split: data}
    folder = _write(_checked(tables), atomic_io.cache_dir(section.cache_dir) / "given")
    dirs = [str(Path(name).expanduser().absolute()) for name in section.image_dirs or (".",)]
    changed = {"source": str(folder), "options": None, "tables": None, "image_dirs": tuple(dirs)}
    return section.model_copy(update=changed)


def _checked(tables: Mapping[Any, Any]) -> dict[str, pa.Table | Dataset]:
    """The tables by the names of their splits, with images as bytes or names of files."""
    problems: list[str] = []
    found: dict[str, pa.Table | Dataset] = {}
    for name, table in tables.items():
        split = split_of(str(name))
        if split is None or split in found:
            what = "is no split: name it train, validation or test" if split is None else f"is a second {split} split"
            problems.append(f"data: {name!r} {what}")
            continue
        with collect(problems):
            found[split] = _table_of(str(name), table)
    if problems or not found:
        raise UserError(problems or [f"data: it holds no table; {_ACCEPTED}"])
    return found


def _table_of(name: str, table: Any) -> pa.Table | Dataset:
    if isinstance(table, pd.DataFrame):
        return _table_of_frame(name, table)
    if isinstance(table, IterableDataset | IterableDatasetDict) or not isinstance(table, Dataset):
        raise UserError(f"data[{name!r}]: {type(table).__name__} is no table; {_ACCEPTED}")
    if not len(table):
        raise UserError(f"data[{name!r}]: it has no rows")
    for column, feature in table.features.items():
        if isinstance(feature, ImageFeature):
            table = table.cast_column(column, ImageFeature(decode=False))
    return table.with_format("arrow")


def _table_of_frame(name: str, frame: pd.DataFrame) -> pa.Table:
    """A frame as a table; its index is left out."""
    names = [str(column) for column in frame.columns]
    if not len(frame) or not names or len(set(names)) < len(names):
        raise UserError(f"data[{name!r}]: the frame has no rows, no columns, or two columns of one name")
    problems, columns = [], {}
    for column, series in zip(names, (frame.iloc[:, place] for place in range(len(names))), strict=True):
        is_plain = pd.api.types.is_numeric_dtype(series) or pd.api.types.is_datetime64_any_dtype(series)
        cells = series if is_plain else [_plain(cell) for cell in series.astype(object)]
        try:
            columns[column] = pa.array(cells, from_pandas=True)
        except (pa.ArrowException, TypeError) as error:
            problems.append(
                f"data[{name!r}]: column {column!r} mixes types, or holds what is no cell: {error}. Use one type in it"
            )
    if problems:
        raise UserError(problems)
    return pa.table(columns)


def _plain(cell: Any) -> Any:
    """A cell as Arrow takes it: an image as the bytes of a file without loss, a path as text."""
    if isinstance(cell, Image.Image):
        buffer = io.BytesIO()
        cell.save(buffer, "PNG" if cell.mode in _PNG_MODES else "TIFF", exif=cell.getexif())
        return buffer.getvalue()
    return os.fspath(cell) if isinstance(cell, os.PathLike) else cell


def _write(tables: Mapping[str, pa.Table | Dataset], parent: Path) -> Path:
    """Write the Parquet file of each split into a folder that their content names; returns it."""
    partial = parent / f"{os.getpid()}-{os.urandom(4).hex()}.partial"
    with atomic_io.storage_errors(parent):
        try:
            names = []
            for split, table in tables.items():
                file = partial / split / "metadata.parquet"
                atomic_io.make_folder(file.parent)
                _write_table(file, table)
                names.append(f"{split}-{digest_of(file)[:16]}")
            folder = parent / "-".join(names)
            if not folder.is_dir():  # else the same data were given before
                _publish(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return folder


def _publish(partial: Path, folder: Path) -> None:
    for file in partial.glob("*/*"):
        atomic_io.fsync(file)
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster
            raise


def _write_table(file: Path, table: pa.Table | Dataset) -> None:
    batches = _batches(table)
    first = next(batches)
    with pq.ParquetWriter(file, first.schema) as writer:
        writer.write_table(first)
        for batch in batches:
            writer.write_table(batch)


def _batches(table: pa.Table | Dataset) -> Iterator[pa.Table]:
    if isinstance(table, Dataset):
        yield from table.iter(ROWS)
        return
    for start in range(0, len(table), ROWS):
        yield table.slice(start, ROWS)
