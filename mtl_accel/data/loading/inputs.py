"""Pictures to predict: a split, or what a caller has in hand. They are decoded batch by batch, when a batch is read."""

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

from ...core.errors import UserError
from ..sources.splits import RawSplit, choose_columns, column_of, ids_of, undecoded
from ..sources.text_tables import shorten
from .decoding import Encoded
from .loader import Batch, Key, MicroBatches
from .pixel_cache import DecodedPixels, Transforms, decode_and_resize

_ACCEPTED = (
    "give a path, a PIL image, a uint8 tensor [3, H, W], a uint8 array [H, W, 3], a list of these, a uint8 tensor "
    "[B, 3, H, W], or a datasets.Dataset with a column of images"
)


@dataclass(frozen=True)
class Pictures:
    """Pictures with an id each. `items` is a table with the column `image`, or paths and pictures themselves."""

    ids: Sequence[str]
    items: datasets.Dataset | list[Any]
    name: str = "images"

    def __len__(self) -> int:
        return len(self.ids)

    def fetch(self, rows: list[int]) -> list[Encoded | Image.Image]:
        """Some pictures in a form that can be decoded."""
        if isinstance(self.items, datasets.Dataset):
            return list(self.items[rows]["image"])
        return [_decodable(self.items[row]) for row in rows]


def of_split(split: datasets.Dataset, name: str) -> Pictures:
    """The pictures of a table with the columns `id` and `image`."""
    return Pictures(list(ids_of(split)), split.select_columns(["image"]), name)


def of(images: Any) -> Pictures:
    """What a caller has in hand. The id of a path is the path, of another picture its number, from 0.

    Raises:
        UserError: everything in it that is no picture. Whether files can be decoded is seen later.
    """
    if isinstance(images, datasets.Dataset):
        return _of_table(images)
    if isinstance(images, datasets.DatasetDict | datasets.IterableDataset | datasets.IterableDatasetDict):
        raise UserError(f"images: {type(images).__name__} is not one table; give a datasets.Dataset, such as one split")
    is_one = isinstance(images, str | os.PathLike | Image.Image)
    if is_one or (isinstance(images, Tensor | np.ndarray) and images.ndim == 3):
        images = [images]
    if not isinstance(images, Iterable):
        raise UserError(f"images: {type(images).__name__} holds no pictures; {_ACCEPTED}")
    # Other processes decode, and cannot read a device's memory.
    items = list(images.cpu() if isinstance(images, Tensor) else images)
    problems = [f"images[{row}]: {problem}" for row, item in enumerate(items) if (problem := _problem(item))]
    if problems:
        raise UserError([*shorten(problems, "of these"), _ACCEPTED])
    return Pictures([os.fspath(item) if _is_path(item) else str(row) for row, item in enumerate(items)], items)


def _of_table(table: datasets.Dataset) -> Pictures:
    table = table.with_format(None)  # as it is stored
    if not table.column_names:
        raise UserError(f"images: the data set has no columns; {_ACCEPTED}")
    columns = choose_columns([RawSplit("images", table, "the data set", "")], None, None)
    images = undecoded(
        table,
        columns.image,
        f"images: the data set's column {columns.image!r} holds no pictures but {table.features[columns.image]}; it "
        f"has the columns {', '.join(table.column_names)}. Rename the one with the pictures to 'image'",
    )
    ids = range(len(table)) if columns.id is None else column_of(table, columns.id).to_pylist()
    return Pictures([str(identifier) for identifier in ids], images)


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


class _PicturePixels(DecodedPixels):
    """Decodes pictures of either sort; all that are unreadable in a batch are told at once."""

    def __init__(self, pictures: Pictures, transforms: Transforms) -> None:
        self.pictures, self.transforms, self.size = pictures, transforms, transforms[-1].size

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, indices: np.ndarray) -> Tensor:
        """Pictures of some rows: uint8 [B, 3, H, W]."""
        read, problems = [], []
        for row, item in zip(indices, self.pictures.fetch(indices.tolist()), strict=True):
            try:
                read.append(
                    decode_and_resize(item, f"{self.pictures.name}, id {self.pictures.ids[row]}", self.transforms)
                )
            except UserError as error:  # noqa: PERF203 - every picture that is wrong is named
                problems += error.problems
        if problems:
            raise UserError(problems)
        return torch.from_numpy(np.stack(read))


@dataclass(frozen=True)
class _Unreadable:
    """In the place of a batch: raised in a loader's process, an error would arrive as the text of a traceback."""

    problems: list[str]

    def to(self, device: torch.device) -> _Unreadable:
        return self

    def tensors(self) -> list[Tensor]:
        return []


class PictureBatches(MicroBatches):
    """Batches of pictures without targets."""

    def __init__(self, pictures: Pictures, transforms: Transforms) -> None:
        super().__init__(_PicturePixels(pictures, transforms), {})

    def __getitem__(self, key: Key) -> Any:
        try:
            return super().__getitem__(key)
        except UserError as error:
            return _Unreadable(error.problems)


def readable(batches: Iterable[Batch | _Unreadable], problems: list[str]) -> Iterator[Batch]:
    """The batches to the first unreadable picture. The rest is decoded only, to add what is wrong to `problems`."""
    for batch in batches:
        if isinstance(batch, _Unreadable):
            problems += batch.problems
        elif not problems:
            yield batch
