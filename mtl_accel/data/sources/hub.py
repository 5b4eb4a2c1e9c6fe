"""Data sets of the Hugging Face Hub. No code of theirs is run: `datasets` has read data only since version 4."""

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

from ...core.errors import UserError
from .arrow import named_splits
from .image_paths import ImageFinder
from .splits import RawSplit
from .table_cache import TableCache

_BATCH = 256  # rows of a stream at a time


def is_hub_id(source: str) -> bool:
    """Whether this reads as owner/name. Bare names such as `csv` would make `datasets` read the working folder."""
    return re.fullmatch(r"[\w][\w.-]*/[\w][\w.-]*", source) is not None


def finder() -> ImageFinder:
    """Images of downloaded data sets lie in the caches of the Hub and of `datasets`, and are read nowhere else."""
    caches = (constants.HF_HUB_CACHE, datasets_config.HF_DATASETS_CACHE, datasets_config.DOWNLOADED_DATASETS_PATH)
    return ImageFinder.of(*caches)


def read(
    source: str,
    config_name: str | None,
    revision: str | None,
    *,
    streaming: bool,
    max_images: int | None,
    cache: TableCache,
) -> list[RawSplit]:
    """The splits of a data set; streamed, the first `max_images` rows of each are read in one pass into the cache.

    The elastic order addresses rows by number, so a stream cannot stay one. What streaming saves is the download of
    the rest.

    Raises:
        UserError: there is no such data set, or the Hub was not reached.
    """
    try:
        # The prefix keeps `datasets` from looking for a folder of this name.
        path = f"hf://datasets/{source}"
        tables = load_dataset(path, name=config_name, revision=revision, streaming=streaming)
        if streaming:
            tables = {name: read_stream(rows, source, path, max_images, cache) for name, rows in tables.items()}
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, TypeError, pa.ArrowException, DatasetsError) as error:
        reason = str(error).strip() or type(error).__name__
        raise UserError(
            f"data.source: {source!r} is neither a folder that exists nor a Hub data set that could be reached "
            f"(config_name {config_name!r}, revision {revision!r}): {reason}. Correct the folder, or the id, or "
            "connect to the network; a private data set needs `hf auth login`"
        ) from error
    keys = {name: table._fingerprint for name, table in tables.items()}
    return named_splits(tables, source, keys, (datasets_config.HF_DATASETS_CACHE,))


def read_stream(rows: IterableDataset, source: str, prefix: str, limit: int | None, cache: TableCache) -> Dataset:
    """The first `limit` rows as a table, the bytes of its images in it.

    An image that is only named must lie under `prefix`, the data set's own address.
    """
    # As Arrow, because `datasets` drops the bytes of an image whose path exists in the working folder.
    rows = rows.with_format("arrow")
    batches = (rows if limit is None else rows.take(limit)).iter(_BATCH)
    first = next(batches, None)
    if first is None:
        raise UserError(f"data.source: a split of {source} has no rows")
    return cache.put(_embedded(batch, source, prefix) for batch in chain([first], batches))


def _embedded(batch: pa.Table, source: str, prefix: str) -> pa.Table:
    """The batch with bytes in the place of paths in every column of images."""
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
