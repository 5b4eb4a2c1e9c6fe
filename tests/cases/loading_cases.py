"""A small split with pictures and targets, for the tests of the pixel cache and of the loaders."""

from __future__ import annotations

import io
from pathlib import Path

import datasets
import numpy as np
import torch
from PIL import Image

from mtl_accel.config.sections.transforms import CenterCrop, Resize
from mtl_accel.data.labels.reader import Targets
from mtl_accel.data.loading.pixel_cache import open_pixels
from mtl_accel.data.loading.pixels import Pixels

TRANSFORMS = (Resize(name="Resize", size=(7, 9)), CenterCrop(name="CenterCrop", size=(6, 5)))


def encode(image: Image.Image, format: str = "PNG", **options) -> bytes:
    """The file of a picture."""
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def png(row: int) -> bytes:
    """A picture of its own size and noise for each row."""
    values = np.random.default_rng(row).integers(0, 256, (8 + row % 3, 11, 3), np.uint8)
    return encode(Image.fromarray(values))


def split_of(count: int, broken: frozenset[int] = frozenset(), first: int = 0) -> datasets.Dataset:
    """Rows with the ids "first", "first + 1", ...; the broken ones hold no picture."""
    rows = range(first, first + count)
    images = [{"bytes": b"no picture" if row in broken else png(row), "path": None} for row in rows]
    features = datasets.Features({"id": datasets.Value("string"), "image": datasets.Image(decode=False)})
    return datasets.Dataset.from_dict({"id": [str(row) for row in rows], "image": images}, features=features)


def pixels_of(split: datasets.Dataset, folder: Path, **changes) -> Pixels:
    options = {"name": "train", "cache": "disk", "fingerprint": "f", "num_workers": 0, "device": torch.device("cpu")}
    return open_pixels(split, changes.pop("transforms", TRANSFORMS), folder=folder, **(options | changes))


def targets_of(count: int) -> dict[str, Targets]:
    """A class and three labels for each row; about a third are unlabelled."""
    numbers = np.random.default_rng(1)
    return {
        "category": Targets(numbers.integers(0, 4, count), numbers.random(count) > 0.3),
        "attribute": Targets(
            numbers.integers(0, 2, (count, 3)).astype(np.float32),
            numbers.random((count, 3)) > 0.3,
        ),
    }
