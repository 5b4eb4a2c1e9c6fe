"""Data sets of the Hugging Face Hub. None of their code is run: since version 4 `datasets` reads data only."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import fsspec
import pyarrow as pa
from datasets import Dataset, IterableDataset, load_dataset
from datasets import config as datasets_config
from datasets.exceptions import DatasetsError
from huggingface_hub import constants

from ...config.sections.data import DataConfig
from ...core.errors import UserError
from .arrow import name_splits
from .images.image_paths import ImageFinder
from .splits import RawSplit
from .table_cache import TableCache

_BATCH = 256  # rows of a stream at a time


def is_hub_id(source: str) -> bool:
    """Whether this reads as owner/name. Bare names such as `csv` would make `datasets` read the working folder."""
    return re.fullmatch(r"[\w][\w.-]*/[\w][\w.-]*", source) is not None


def image_finder() -> ImageFinder:
    """Finder of downloaded images: they lie in the caches of the Hub and of `datasets`, and are read nowhere else."""
    caches = (constants.HF_HUB_CACHE, datasets_config.HF_DATASETS_CACHE, datasets_config.DOWNLOADED_DATASETS_PATH)
    return ImageFinder.of(*caches)


def read_hub(data: DataConfig, cache: TableCache) -> list[RawSplit]:
    """Read the splits of a data set; of a stream, the first `max_images` rows of each, in one pass into the cache.

    The order of training addresses rows by number, so a stream has to become a table. Streaming saves the download of
    the other rows.

    Raises:
        UserError: there is no such data set, or the Hub could not be reached.
    """
    source = data.source
    path = f"hf://datasets/{source}"  # the prefix keeps `datasets` from looking for a folder of this name
    try:
        tables = load_dataset(path, name=data.config_name, revision=data.revision, streaming=data.streaming)
        if data.streaming:
            tables = {name: read_stream(rows, source, path, data.max_images, cache) for name, rows in tables.items()}
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, TypeError, pa.ArrowException, DatasetsError) as error:
        reason = str(error).strip() or type(error).__name__
        raise UserError(
            f"data.source: {source!r} is neither a folder that exists nor a Hub data set that could be reached "
            f"(config_name {data.config_name!r}, revision {data.revision!r}): {reason}. Correct the folder, or the "
            "id, or connect to the network; a private data set needs `hf auth login`"
        ) from error
    keys = {name: table._fingerprint for name, table in tables.items()}
    return name_splits(tables, source, keys, (datasets_config.HF_DATASETS_CACHE,))


def read_stream(rows: IterableDataset, source: str, prefix: str, limit: int | None, cache: TableCache) -> Dataset:
    """Read the first `limit` rows into a table, with the bytes of its images.

    An image that is given by its path must lie below `prefix`, the address of the data set.
    """
    # As Arrow: else `datasets` drops the bytes of an image if the working folder has a file of that name.
    rows = rows.with_format("arrow")
    batches = (rows if limit is None else rows.take(limit)).iter(_BATCH)
    first = next(batches, None)
    if first is None:
        raise UserError(f"data.source: a split of {source} has no rows")
    return cache.put(_embed_images(batch, source, prefix) for batch in chain([first], batches))


def _embed_images(batch: pa.Table, source: str, prefix: str) -> pa.Table:
    """Replace paths by the bytes of their files in every column of images."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_struct(field.type) and {child.name for child in field.type} == {"bytes", "path"}:
            contents = [_bytes_of(value, source, prefix) for value in batch.column(index).to_pylist()]
            values = [None if content is None else {"bytes": content, "path": None} for content in contents]
            batch = batch.set_column(index, field, pa.array(values, field.type))
    return batch


def _bytes_of(value: dict[str, Any] | None, source: str, prefix: str) -> bytes | None:
    if value is None:
        return None
    embedded: bytes | None = value["bytes"]
    if embedded is not None or value["path"] is None:
        return embedded
    # An address such as zip://a.jpg::hf://datasets/owner/name/a.zip ends with the file that is fetched.
    address = value["path"].split("::")[-1]
    if not re.match(re.escape(prefix) + "[@/]", address) or "/../" in address:
        raise UserError(f"data.source: {source} names an image outside of itself: {value['path']!r}. Do not use it")
    with fsspec.open(value["path"], "rb") as file:
        content: bytes = file.read()
    return content
