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

from ...config.sections.transforms import CachedTransform, Resize
from ...core.errors import UserError, collect
from .decoding import Encoded, decode

Transforms = Sequence[CachedTransform]  # the cached part of an image pipeline


def decode_and_resize(value: Encoded | Image.Image, place: str, transforms: Transforms) -> np.ndarray:
    """Decode one image and apply the cached transforms to it: uint8 [3, H, W]. Raises UserError as `decode` does."""
    image = decode(value, place=place)
    for transform in transforms:
        if isinstance(transform, Resize):
            mode = tvf.InterpolationMode(transform.interpolation)
            image = tvf.resize(image, list(transform.size), interpolation=mode, antialias=True)
        else:
            image = tvf.center_crop(image, list(transform.size))
    return tvf.pil_to_tensor(image).numpy()


def decode_batch(
    values: Iterable[Encoded | Image.Image], places: Iterable[str], transforms: Transforms
) -> torch.Tensor:
    """Decode and resize images: uint8 [B, 3, H, W].

    Raises:
        UserError: everything that is wrong with any of them.
    """
    images: list[np.ndarray] = []
    problems: list[str] = []
    for value, place in zip(values, places, strict=True):
        with collect(problems):
            images.append(decode_and_resize(value, place, transforms))
    if problems:
        raise UserError(problems)
    return torch.from_numpy(np.stack(images))


class Pixels(Protocol):
    """Images by row, all of one size."""

    @property
    def decodes(self) -> bool:
        """Whether reading decodes files, which takes long enough to need worker processes."""

    def __len__(self) -> int: ...

    def read(self, rows: np.ndarray) -> torch.Tensor:
        """Read the images of rows int64 [B]: uint8 [B, 3, H, W]."""


class DecodedPixels:
    """Images decoded anew each time they are read."""

    decodes = True

    def __init__(self, split: datasets.Dataset, transforms: Transforms, name: str) -> None:
        self.split, self.transforms, self.name = split.select_columns(["id", "image"]), transforms, name

    def __len__(self) -> int:
        return len(self.split)

    def read(self, rows: np.ndarray) -> torch.Tensor:
        """Raises UserError where an image cannot be decoded."""
        samples = self.split[rows.tolist()]
        places = (f"{self.name}, id {identifier}" for identifier in samples["id"])
        return decode_batch(samples["image"], places, self.transforms)


class StoredPixels:
    """Images in a memory-mapped file."""

    decodes = False

    def __init__(self, path: Path, length: int, size: tuple[int, int]) -> None:
        self.path = path
        self.array = np.memmap(path, dtype=np.uint8, mode="r", shape=(length, 3, *size))

    def __len__(self) -> int:
        return len(self.array)

    def read(self, rows: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(self.array[rows])


class DevicePixels:
    """Images in the accelerator's memory, or in RAM on a CPU."""

    decodes = False

    def __init__(self, stored: StoredPixels, device: torch.device) -> None:
        self.images = torch.from_numpy(np.array(stored.array)).to(device)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, rows: np.ndarray) -> torch.Tensor:
        """The result is on the device."""
        return self.images.index_select(0, torch.from_numpy(rows).to(self.images.device, non_blocking=True))
