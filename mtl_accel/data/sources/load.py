"""Any source of images and labels as a `DatasetDict` of train, validation and test.

Every split has the columns `id` (text, unique in its split), `image` (undecoded: `datasets.Image(decode=False)`),
and the source's labels under their own names. Cells of CSVs are text, an empty one is None; class numbers of
`datasets.ClassLabel` become class names, so that no class depends on the order of folders.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset, DatasetDict

from ...core.atomic_io import cache_dir as user_cache
from ...core.errors import UserError
from . import arrow, hub, imagefolder, kaggle
from .image_paths import ImageFinder
from .normalize import normalise
from .splits import Columns, RawSplit, choose_columns
from .table_cache import TableCache
from .text_tables import MAX_LISTED

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """The splits of a source, and how it named their columns.

    `id_column` is the source's own name of the column `id`; None: there was none, and the row number is the id.
    `fingerprint` changes when a table or an image file does. `folder` is the data folder's real path, None for a
    data set of the Hub. `origins` holds each split as the source had it: where its rows stand.
    """

    splits: DatasetDict
    image_column: str
    id_column: str | None
    fingerprint: str
    folder: Path | None
    origins: Mapping[str, RawSplit]


def load(
    source: str,
    *,
    cache_dir: Path | None = None,
    config_name: str | None = None,
    revision: str | None = None,
    streaming: bool = False,
    image_column: str | None = None,
    id_column: str | None = None,
    max_images: int | None = None,
    only: str | None = None,
    problems: list[str] | None = None,
) -> Sources:
    """Reads a folder (CSVs and images, imagefolder, Parquet, save_to_disk) or a data set of the Hub.

    Every row's image is found here, before training; images that no row names are logged as a warning.
    `max_images` keeps the first so many rows of each split. `streaming` concerns the Hub only, see `hub.read`.
    Tables are written into `cache_dir`, by default the user's, and read from there memory-mapped.
    `only` names one split to be sorted out and checked: pictures and columns of the others may be missing.
    `problems`: a list that takes the problems with rows, for a caller that has more to tell and raises all at once.

    Raises:
        UserError: every problem with the rows of all splits at once, or why the source cannot be read.
    """
    cache = TableCache(cache_dir or user_cache(None) / "tables")
    root = _real_path(source)
    if root is not None:
        finder, raw = ImageFinder.of(root), _read_folder(root, image_column, cache)
    else:
        raw = hub.read(source, config_name, revision, streaming=streaming, max_images=max_images, cache=cache)
        finder = hub.finder()
    raw = raw if only is None else [_the_one(raw, only, source)]
    columns = choose_columns(raw, image_column, id_column)
    tables, digests = _normalise(raw, columns, finder, cache, max_images, problems)
    if root is not None and only is None and not problems:
        warn_of_unused(root, finder)
    fingerprint = _fingerprint(raw, digests if root is not None else {}, columns, max_images)
    return Sources(DatasetDict(tables), columns.image, columns.id, fingerprint, root, {s.name: s for s in raw})


def _real_path(source: str) -> Path | None:
    """The real path of a source on this machine, None for a data set of the Hub. Raises UserError for neither."""
    path = Path(source).expanduser()
    if path.exists():
        return path.resolve()
    if hub.is_hub_id(source):
        return None
    raise UserError(
        f"data.source: {source!r} is neither a folder that exists (looked at {path.absolute()}) nor the id of a Hub "
        "data set, which reads owner/name. Correct the path"
    )


def _the_one(raw: list[RawSplit], name: str, source: str) -> RawSplit:
    names = [split.name for split in raw]
    if name not in names:
        raise UserError(
            f"data.source: {source} has no {name} split; it has: {', '.join(names)}. Choose one of them by "
            f"--split, such as --split {names[0]}, or another source"
        )
    return raw[names.index(name)]


def _read_folder(folder: Path, image_column: str | None, cache: TableCache) -> list[RawSplit]:
    if not folder.is_dir():
        raise UserError(f"data.source: {folder} is a file. Give the folder that it lies in")
    if arrow.is_saved(folder):
        return arrow.read_saved(folder)
    if kaggle.csv_files(folder):
        return kaggle.read(folder, cache)
    if arrow.parquet_files(folder):
        return arrow.read_parquet(folder)
    if imagefolder.is_imagefolder(folder):
        return imagefolder.read(folder, image_column, cache)
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:MAX_LISTED]) or "nothing"
    raise UserError(
        f"data.source: {folder} holds no data set. Expected train.csv with images, train/metadata.csv (or .jsonl, "
        f".parquet), class folders with images, train*.parquet, or a folder of save_to_disk. It holds: {there}"
    )


def _normalise(
    raw: list[RawSplit],
    columns: Columns,
    finder: ImageFinder,
    cache: TableCache,
    max_images: int | None,
    problems: list[str] | None,
) -> tuple[dict[str, Dataset], dict[str, str]]:
    """The table and the digest of each split. A list of problems takes what is wrong with rows.

    Raises:
        UserError: everything that is wrong, when a split has no table or there is no list.
    """
    tables: dict[str, Dataset] = {}
    digests: dict[str, str] = {}
    found: list[str] = []
    for split in raw:
        try:
            table, digests[split.name], of_rows = normalise(split, columns, finder, cache)
            tables[split.name] = table if max_images is None else table.select(range(min(max_images, len(table))))
            found += of_rows
        except UserError as error:  # noqa: PERF203 - the problems of every split, at once
            found += error.problems
    if found and (problems is None or len(tables) < len(raw)):
        raise UserError(found)
    if problems is not None:
        problems += found
    return tables, digests


def warn_of_unused(folder: Path, finder: ImageFinder) -> None:
    """Logs the images of a data folder that no row names. A subset of rows is legitimate, so it is no error."""
    if not finder.found_any:
        return
    unused, count = finder.unnamed(folder)
    if not unused:
        return
    names = ", ".join(os.path.relpath(file, folder) for file in unused[:MAX_LISTED])
    hint = ", more than half: is this the right table?" if 2 * len(unused) > count else ""
    logger.warning("%s: %d of %d images have no row%s: %s", folder, len(unused), count, hint, names)


def _fingerprint(raw: list[RawSplit], digests: Mapping[str, str], columns: Columns, max_images: int | None) -> str:
    """Of the tables, and of path, size and time of change of the image files of a folder.

    The files of a Hub data set are known by its commit, which is in the tables' own fingerprints.
    """
    parts = [[split.name, split.key, digests.get(split.name)] for split in raw]
    state = json.dumps([parts, columns.image, columns.id, max_images])
    return hashlib.blake2b(state.encode(), digest_size=16).hexdigest()
