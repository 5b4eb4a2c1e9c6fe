"""Pixels of a split: decoded when they are read, from a memory-mapped file, or from the memory of the device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import datasets
import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as tvf

from ...config.sections.picture_sizes import PictureSize, extent_after
from ...config.sections.transforms import CachedTransform
from ...core.errors import UserError, collect
from ..transforms.cached import transform_picture
from .decoding import Encoded, decode

Transforms = Sequence[CachedTransform]  # the cached part of an image pipeline


def decode_and_transform(value: Encoded | Image.Image, place: str, transforms: Transforms) -> np.ndarray:
    """Decode one image and apply the cached transforms to it: uint8 [3, H, W].

    Raises:
        UserError: as `decode` and `transform_picture` do.
    """
    image = decode(value, place=place)
    for transform in transforms:
        image = transform_picture(image, transform, place)
    return tvf.pil_to_tensor(image).numpy()


def decode_batch(
    values: Iterable[Encoded | Image.Image], places: Iterable[str], transforms: Transforms
) -> torch.Tensor | list[torch.Tensor]:
    """Decode and transform images: uint8 [B, 3, H, W], or B images [3, H, W] if the transforms leave several sizes.

    Raises:
        UserError: everything that is wrong with any of them.
    """
    images: list[np.ndarray] = []
    problems: list[str] = []
    for value, place in zip(values, places, strict=True):
        with collect(problems):
            images.append(decode_and_transform(value, place, transforms))
    if problems:
        raise UserError(problems)
    if extent_after(transforms).size is None:
        return [torch.from_numpy(image) for image in images]
    return torch.from_numpy(np.stack(images))


class Pixels(Protocol):
    """Images by row.

    Attributes:
        notes: what is worth saying of the images, a line each, where they were decoded before.
    """

    notes: Sequence[str]

    @property
    def decodes(self) -> bool:
        """Whether reading decodes files, which takes long enough to need worker processes."""

    def __len__(self) -> int: ...

    def read(self, rows: np.ndarray) -> torch.Tensor | list[torch.Tensor]:
        """Read the images of rows int64 [B]: uint8 [B, 3, H, W], or B images [3, H, W] of several sizes."""


class DecodedPixels:
    """Images decoded anew each time they are read."""

    decodes = True
    notes: Sequence[str] = ()

    def __init__(self, split: datasets.Dataset, transforms: Transforms, name: str) -> None:
        self.split, self.transforms, self.name = split.select_columns(["id", "image"]), transforms, name

    def __len__(self) -> int:
        return len(self.split)

    def read(self, rows: np.ndarray) -> torch.Tensor | list[torch.Tensor]:
        """Raises UserError where an image cannot be decoded."""
        samples = self.split[rows.tolist()]
        places = (f"{self.name}, id {identifier}" for identifier in samples["id"])
        return decode_batch(samples["image"], places, self.transforms)


class StoredPixels:
    """Images in a memory-mapped file."""

    decodes = False

    def __init__(self, path: Path, length: int, size: PictureSize, notes: Sequence[str] = ()) -> None:
        self.path, self.notes = path, notes
        self.array = np.memmap(path, dtype=np.uint8, mode="r", shape=(length, 3, *size))

    def __reduce__(self) -> tuple[type[StoredPixels], tuple[Path, int, PictureSize, Sequence[str]]]:
        """Let a worker that is sent this open the file again: else all images would be sent."""
        length, _, height, width = self.array.shape
        return StoredPixels, (self.path, length, (height, width), self.notes)

    def __len__(self) -> int:
        return len(self.array)

    def read(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.array[rows])


class StoredRaggedPixels:
    """Images of several sizes, one behind another in memory-mapped files."""

    decodes = False

    def __init__(self, folder: Path, index: np.ndarray, notes: Sequence[str] = ()) -> None:
        """`index`: the file, the offset in bytes, the height and the width of each image, int64 [N, 4]."""
        self.folder, self.index, self.notes = folder, index, notes
        self.files = {
            number: np.memmap(ragged_file(folder, number), dtype=np.uint8, mode="r")
            for number in np.unique(index[:, 0]).tolist()
        }

    def __reduce__(self) -> tuple[type[StoredRaggedPixels], tuple[Path, np.ndarray, Sequence[str]]]:
        """Let a worker that is sent this open the files again."""
        return StoredRaggedPixels, (self.folder, self.index, self.notes)

    def __len__(self) -> int:
        return len(self.index)

    def read(self, rows: np.ndarray) -> list[torch.Tensor]:
        images = []
        for number, offset, height, width in self.index[rows].tolist():
            pixels = self.files[number][offset : offset + 3 * height * width]
            images.append(torch.from_numpy(np.array(pixels).reshape(3, height, width)))
        return images


def ragged_file(folder: Path, number: int) -> Path:
    """Path of one of the files of images of several sizes."""
    return folder / f"pixels-{number}.uint8"


class DevicePixels:
    """Images in the accelerator's memory, or in RAM on a CPU."""

    decodes = False

    def __init__(self, stored: StoredPixels, device: torch.device) -> None:
        self.images, self.notes = torch.from_numpy(np.array(stored.array)).to(device), stored.notes

    def __len__(self) -> int:
        return len(self.images)

    def read(self, rows: np.ndarray) -> torch.Tensor:
        """The result is on the device."""
        return self.images.index_select(0, torch.from_numpy(rows).to(self.images.device, non_blocking=True))
