"""Finds the images that cannot be decoded, before the order of training is made, and leaves their rows out."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from filelock import FileLock

from ...config import Config
from ...config.sections.data import DataConfig
from ...core import atomic_io
from ...core.errors import MAX_LISTED, UserError
from ...core.progress import counted
from ..labels.dataset import LabeledDataset, check_selection_metric, read_dataset
from ..labels.reader import Targets
from .decoding import Encoded, decode
from .decoding_notes import collect_notes

_VERSION = 2  # of what counts as broken; the findings of another version are not read
_ROWS = 64  # of a table that are in memory at a time

logger = logging.getLogger(__name__)


def read_training_data(config: Config) -> LabeledDataset:
    """Read and check the data set of a run, without the rows of broken images if data.on_bad_image says so.

    Raises:
        UserError: everything that is wrong with its files, columns and cells, or the rows that are left are too few.
    """
    labelled = read_dataset(config)
    return skip_broken_images(labelled, config) if config.data.on_bad_image == "skip" else labelled


def skip_broken_images(
    labelled: LabeledDataset, config: Config, splits: Sequence[str] = ("train", "validation")
) -> LabeledDataset:
    """Leave out the rows of some splits whose images cannot be decoded.

    Their number is a line of the notes, and `skipped` lists them. The fingerprint depends on which they are.

    Raises:
        UserError: the rows that are left are none, or have no label of a task.
    """
    skipped: list[str] = []
    for split in splits:
        broken = find_broken_images(labelled.splits[split], split, config.data)
        if broken:
            total = len(labelled.splits[split])
            labelled = labelled.select(split, _other_rows(total, broken))
            note = _describe_skipped(split, total, broken)
            labelled = replace(labelled, notes=(*labelled.notes, note))
            skipped += broken.values()
    if not skipped:
        return labelled
    _check_rows_left(labelled, splits)
    check_selection_metric(labelled, config.select_by)
    digest = hashlib.blake2b(json.dumps([labelled.fingerprint, skipped]).encode(), digest_size=16)
    held_out = None if labelled.held_out_ids is None else labelled.splits["validation"].select_columns(["id"])
    return replace(labelled, fingerprint=digest.hexdigest(), held_out_ids=held_out, skipped=tuple(skipped))


def readable_part(
    table: datasets.Dataset, targets: Mapping[str, Targets], split: str, data: DataConfig
) -> tuple[datasets.Dataset, dict[str, Targets]]:
    """Return a split and its targets, without broken images if data.on_bad_image says so, and warn of these.

    Raises:
        UserError: no image is left.
    """
    broken = find_broken_images(table, split, data) if data.on_bad_image == "skip" else {}
    if not broken:
        return table, dict(targets)
    logger.warning(_describe_skipped(split, len(table), broken))
    rows = _other_rows(len(table), broken)
    if not len(rows):
        raise UserError([f"data.on_bad_image: no image of {split} can be decoded", *list(broken.values())[:MAX_LISTED]])
    return table.select(rows), {name: t.select(rows) for name, t in targets.items()}


def find_broken_images(table: datasets.Dataset, split: str, data: DataConfig) -> dict[int, str]:
    """Decode every image of a table, and return what is wrong with those that cannot be, by their rows.

    What was found is kept in the cache folder for as long as the files stay as they are. One process of a machine
    decodes, in `data.num_workers` threads, and the others wait for it.
    """
    folder = atomic_io.cache_dir(data.cache_dir) / "broken_images"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{split}-{_digest(table)}.json"
    with FileLock(f"{file}.lock"):
        if not file.exists():
            with ThreadPoolExecutor(max(data.num_workers, 1)) as pool:
                found_all = pool.map(lambda image: _problem(split, *image), _images(table))
                problems = counted(found_all, f"looking for broken pictures in {split}", len(table), "pictures")
                found = {row: problem for row, problem in enumerate(problems) if problem is not None}
            atomic_io.write_json(file, found)
        return {int(row): problem for row, problem in json.loads(file.read_text(encoding="utf-8")).items()}


def _problem(split: str, identifier: str, image: Encoded) -> str | None:
    try:
        with collect_notes():  # they are said where the pictures are read
            decode(image, place=f"{split}, id {identifier}")
    except UserError as error:
        return str(error).replace("\n", " ")
    return None


def _images(table: datasets.Dataset) -> Iterator[tuple[str, Any]]:
    """Ids and encoded images."""
    for batch in table.select_columns(["id", "image"]).iter(_ROWS):
        yield from zip(batch["id"], batch["image"], strict=True)


def _digest(table: datasets.Dataset) -> str:
    """Digest of ids, and of the content of embedded images or the size and time of change of image files."""
    reads_heic = importlib.util.find_spec("pillow_heif") is not None
    digest = hashlib.blake2b(f"{_VERSION} {reads_heic}".encode(), digest_size=12)
    for identifier, image in _images(table):
        content = image["bytes"]
        if content is None:
            status = Path(image["path"]).stat() if os.path.exists(image["path"]) else None  # noqa: PTH110 (faster)
            content = repr((image["path"], status and (status.st_size, status.st_mtime_ns))).encode()
        for part in (identifier.encode(), content):
            digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()


def _other_rows(total: int, broken: Mapping[int, str]) -> np.ndarray:
    """The rows that are not broken, int64, ascending."""
    return np.setdiff1d(np.arange(total), np.array(list(broken), np.int64))


def _describe_skipped(split: str, total: int, broken: Mapping[int, str]) -> str:
    """One line for the log."""
    first = next(iter(broken.values()))
    return f"{split}: {len(broken)} of {total} images are broken and left out (data.on_bad_image); the first: {first}"


def _check_rows_left(labelled: LabeledDataset, splits: Sequence[str]) -> None:
    """Raise UserError for a split without rows, and for a task without labels in training."""
    fix = 'replace the images, which data.on_bad_image "error" names'
    problems = [
        f"data.on_bad_image: no image of {split} can be decoded; {fix}"
        for split in splits
        if not len(labelled.splits[split])
    ]
    problems += [
        f"data.on_bad_image: no row of training with a label for tasks.{name} has an image that can be decoded; {fix}"
        for name, targets in labelled.targets["train"].items()
        if not problems and not targets.mask.any()
    ]
    if problems:
        raise UserError(problems)
