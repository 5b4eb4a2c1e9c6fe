"""Images to predict: those of a split, or what a caller gives. They are decoded when their batch is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ...core.errors import UserError, shorten
from ..sources.splits import RawSplit, choose_columns, column_of, ids_of, undecoded_images
from ..transforms.pipeline import ImagePipeline
from .batch import Batch, UnreadableBatch
from .decoding import Encoded
from .loader import MicroBatches
from .pixels import Transforms, decode_batch

_ACCEPTED = (
    "give a path, a PIL image, a uint8 tensor [3, H, W], a uint8 array [H, W, 3], a list of these, a uint8 tensor "
    "[B, 3, H, W], or a datasets.Dataset with a column of images"
)


@dataclass(frozen=True)
class ImageCollection:
    """Images and their ids. `items` is a table with the column `image`, or a list of paths and images."""

    ids: Sequence[str]
    items: datasets.Dataset | list[Any]
    name: str = "images"

    def __len__(self) -> int:
        return len(self.ids)

    def encoded(self, rows: list[int]) -> list[Encoded | Image.Image]:
        """The images of some rows, in a form that `decode` takes."""
        if isinstance(self.items, datasets.Dataset):
            return list(self.items[rows]["image"])
        return [_decodable(self.items[row]) for row in rows]


def images_of_split(split: datasets.Dataset, name: str) -> ImageCollection:
    """The images of a table with the columns `id` and `image`; `name` is for messages."""
    return ImageCollection(list(ids_of(split)), split.select_columns(["image"]), name)


def collect_images(images: Any) -> ImageCollection:
    """The images that a caller gives. The id of a path is the path; that of another image is its number, from 0.

    Raises:
        UserError: everything that is no image. Whether files can be decoded shows later.
    """
    if isinstance(images, datasets.Dataset):
        return _images_of_table(images)
    if isinstance(images, datasets.DatasetDict | datasets.IterableDataset | datasets.IterableDatasetDict):
        raise UserError(f"images: {type(images).__name__} is not one table; give a datasets.Dataset, such as one split")
    is_one = isinstance(images, str | os.PathLike | Image.Image)
    if is_one or (isinstance(images, Tensor | np.ndarray) and images.ndim == 3):
        images = [images]
    if not isinstance(images, Iterable):
        raise UserError(f"images: {type(images).__name__} holds no pictures; {_ACCEPTED}")
    # Worker processes decode, and cannot read the memory of a device.
    items = list(images.cpu() if isinstance(images, Tensor) else images)
    problems = [f"images[{row}]: {problem}" for row, item in enumerate(items) if (problem := _problem(item))]
    if problems:
        raise UserError([*shorten(problems, "of these"), _ACCEPTED])
    return ImageCollection([os.fspath(item) if _is_path(item) else str(row) for row, item in enumerate(items)], items)


def _images_of_table(table: datasets.Dataset) -> ImageCollection:
    table = table.with_format(None)
    if not table.column_names:
        raise UserError(f"images: the data set has no columns; {_ACCEPTED}")
    columns = choose_columns([RawSplit("images", table, "the data set", "")], None, None)
    images = undecoded_images(
        table,
        columns.image,
        f"images: the data set's column {columns.image!r} holds no pictures but {table.features[columns.image]}; it "
        f"has the columns {', '.join(table.column_names)}. Rename the one with the pictures to 'image'",
    )
    ids = range(len(table)) if columns.id is None else column_of(table, columns.id).to_pylist()
    return ImageCollection([str(identifier) for identifier in ids], images)


def _is_path(item: Any) -> bool:
    return isinstance(item, str | os.PathLike)


def _problem(item: Any) -> str | None:
    if _is_path(item) or isinstance(item, Image.Image):
        return None
    if not isinstance(item, Tensor | np.ndarray):
        return f"{type(item).__name__} is no picture"
    is_tensor = isinstance(item, Tensor)
    channels = item.shape[0 if is_tensor else -1] if item.ndim == 3 else 0
    if channels == 3 and 0 not in item.shape and item.dtype in (torch.uint8, np.uint8):
        return None
    kind, rule = ("a tensor", "[3, H, W]") if is_tensor else ("an array", "[H, W, 3]")
    dtype = str(item.dtype).removeprefix("torch.")
    return f"{kind} of {dtype} {list(item.shape)} must be uint8 {rule}, with values from 0 to 255"


def _decodable(item: Any) -> Encoded | Image.Image:
    if isinstance(item, Tensor):
        item = item.cpu().permute(1, 2, 0).numpy()
    if isinstance(item, np.ndarray):
        return Image.fromarray(np.ascontiguousarray(item))
    decodable: Encoded | Image.Image = item
    return decodable


class _ImagePixels:
    """Pixels of images that are decoded when they are read."""

    decodes = True
    notes: Sequence[str] = ()

    def __init__(self, images: ImageCollection, transforms: Transforms) -> None:
        self.images, self.transforms = images, transforms

    def __len__(self) -> int:
        return len(self.images)

    def read(self, rows: np.ndarray) -> Tensor | list[Tensor]:
        places = (f"{self.images.name}, id {self.images.ids[row]}" for row in rows)
        return decode_batch(self.images.encoded(rows.tolist()), places, self.transforms)


class ImageBatches(MicroBatches):
    """Batches of images without targets."""

    def __init__(self, images: ImageCollection, pipeline: ImagePipeline) -> None:
        super().__init__(_ImagePixels(images, pipeline.cached), {}, pipeline.per_sample)


def readable_batches(batches: Iterable[Batch | UnreadableBatch], problems: list[str]) -> Iterator[Batch]:
    """The batches up to the first unreadable image. All others are still decoded, to add their problems."""
    for batch in batches:
        if isinstance(batch, UnreadableBatch):
            problems += batch.problems
        elif not problems:
            yield batch
