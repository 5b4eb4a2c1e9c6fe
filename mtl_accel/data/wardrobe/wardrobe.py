"""The embedded data set: garments with one of ten categories, fifteen attributes and a price, drawn on first use.

It is drawn once into the user's cache, as JPEG files and tables in the layout of a Kaggle competition, and then read
like any other folder. Nobody reaches 100% on it: categories overlap, attributes are hidden, 2% of the categories are
wrong, and so are about 1% of the attributes. A random forest that knows the true attributes and measures still gets 4%
of the categories wrong.

A linear model on pixels (logistic regression on 16 x 16 RGB, 2,000 training images of 64 pixels) reaches a
validation accuracy of 0.31 for the category and a macro F1 of 0.18 for the attributes at threshold 0.5.

Quickstart (configs/quickstart.json) reaches a validation accuracy of 0.55 and a macro F1 of 0.28.
"""

from __future__ import annotations

import copy
import csv
import multiprocessing
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from filelock import FileLock

from ...config.sections.data import WardrobeConfig
from ...core.errors import UserError
from ...core.progress import counted, stage
from .photo import cloth_colour_of, draw
from .price import sample_price

DRAWING_VERSION = 8  # a change of drawing, sampling or tables needs the next number, so that no old files are read

CATEGORIES: tuple[str, ...] = (
    *("t-shirt", "blouse", "shirt", "hoodie", "jacket"),
    *("coat", "dress", "skirt", "trousers", "shorts"),
)
ATTRIBUTES: tuple[str, ...] = (
    *("long_sleeves", "sleeveless", "collar", "v_neck", "hood"),
    *("buttons", "zip", "pockets", "belt", "stripes"),
    *("checks", "dots", "print", "pleats", "ruffles"),
)

_CATEGORY_WEIGHTS = (16, 10, 11, 9, 11, 8, 13, 7, 9, 6)
# Percentage of each category that has the attribute, in the order of CATEGORIES.
_RATES: dict[str, tuple[int, ...]] = {
    "long_sleeves": (9, 40, 60, 85, 84, 90, 15, 0, 0, 0),
    "sleeveless": (14, 24, 2, 1, 2, 1, 55, 0, 0, 0),
    "collar": (8, 25, 92, 2, 55, 80, 10, 0, 0, 0),
    "v_neck": (16, 38, 3, 2, 4, 4, 34, 0, 0, 0),
    "hood": (1, 0, 1, 90, 22, 18, 1, 0, 0, 0),
    "buttons": (3, 45, 92, 3, 35, 75, 14, 14, 12, 8),
    "zip": (1, 3, 1, 40, 58, 14, 4, 6, 12, 8),
    "pockets": (7, 5, 35, 75, 60, 62, 6, 14, 55, 55),
    "belt": (0, 3, 1, 0, 5, 34, 26, 18, 32, 20),
    "stripes": (27, 18, 24, 8, 5, 2, 12, 12, 10, 12),
    "checks": (2, 6, 38, 3, 10, 14, 7, 26, 10, 10),
    "dots": (4, 24, 6, 1, 1, 0, 28, 18, 1, 5),
    "print": (44, 2, 0, 30, 3, 0, 2, 0, 0, 2),
    "pleats": (0, 2, 0, 0, 0, 0, 16, 42, 3, 1),
    "ruffles": (0, 12, 0, 0, 0, 0, 8, 10, 0, 0),
}
# A garment has at most one attribute of each group: the first one that is sampled.
_EXCLUSIVE = (("long_sleeves", "sleeveless"), ("stripes", "checks", "dots"), ("zip", "buttons"))

_CATEGORY_NOISE = 0.02
_ATTRIBUTE_NOISE = 0.06  # of the labels are sampled again by the rate of the category: about 1% of all become wrong

_SPLITS = ("train", "val", "test")
_CHUNK = 64  # images that a worker draws at a time


@dataclass(frozen=True)
class _Chunk:
    """Some images of a split, by their numbers in it; the file of number n is named `first_name` + n."""

    folder: Path
    split: str
    numbers: range
    first_name: int
    sizes: WardrobeConfig


def sample_labels(rng: Random) -> tuple[str, frozenset[str]]:
    """Sample a category and the attributes that are drawn."""
    [category] = rng.choices(CATEGORIES, _CATEGORY_WEIGHTS)
    column = CATEGORIES.index(category)
    present = {name for name in ATTRIBUTES if 100 * rng.random() < _RATES[name][column]}
    for group in _EXCLUSIVE:
        present -= set([name for name in group if name in present][1:])
    return category, frozenset(present)


def mislabel(category: str, attributes: frozenset[str], rng: Random) -> tuple[str, frozenset[str]]:
    """Return the labels with a few mistakes, which keep the rates of the category."""
    column = CATEGORIES.index(category)
    written = set(attributes)
    for name in ATTRIBUTES:
        if rng.random() < _ATTRIBUTE_NOISE:
            written.discard(name)
            if 100 * rng.random() < _RATES[name][column]:
                written.add(name)
    if rng.random() < _CATEGORY_NOISE:
        category = rng.choice([other for other in CATEGORIES if other != category])
    return category, frozenset(written)


def _draw_chunk(chunk: _Chunk) -> list[list[str]]:
    """Write the images of a chunk, and return their rows of the table."""
    rows = []
    for number in chunk.numbers:
        # Random hashes the whole text, and equally on every machine. The image size is not in it, so that a small
        # picture shows the garment of the large one.
        rng = Random(f"{chunk.sizes.seed}/{chunk.split}/{number}")
        category, attributes = sample_labels(rng)
        written_category, written = mislabel(category, attributes, rng)
        quality = rng.randint(60, 95)
        name = f"{chunk.first_name + number:06d}.jpg"
        cloth = cloth_colour_of(category, copy.copy(rng))
        # A stream of its own: the picture is the one that was drawn before there were prices.
        price = sample_price(category, attributes, cloth, Random(f"{chunk.sizes.seed}/{chunk.split}/{number}/price"))
        draw(category, attributes, chunk.sizes.image_size, rng).save(chunk.folder / chunk.split / name, quality=quality)
        labels = (str(int(attribute in written)) for attribute in ATTRIBUTES)
        rows.append([name, written_category, *labels, str(price)])
    return rows


def _chunks(folder: Path, sizes: WardrobeConfig) -> list[_Chunk]:
    chunks, first_name = [], 1
    for split, count in zip(_SPLITS, (sizes.num_train, sizes.num_validation, sizes.num_test), strict=True):
        parts = [range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK)]
        chunks += [_Chunk(folder, split, numbers, first_name, sizes) for numbers in parts]
        first_name += count
    return chunks


def _in_order(chunks: list[_Chunk], num_workers: int) -> Iterator[list[list[str]]]:
    if num_workers == 1:
        yield from map(_draw_chunk, chunks)
        return
    # spawn: a fork of a process that runs threads, as torch does, may hang.
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_draw_chunk, chunks)


def _write_table(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _write_all(folder: Path, sizes: WardrobeConfig, num_workers: int) -> None:
    for split in _SPLITS:
        (folder / split).mkdir(parents=True)
    chunks = _chunks(folder, sizes)
    rows: dict[str, list[list[str]]] = {split: [] for split in _SPLITS}
    drawn = (
        (chunk.split, row) for chunk, part in zip(chunks, _in_order(chunks, num_workers), strict=True) for row in part
    )
    total = sum(len(chunk.numbers) for chunk in chunks)
    for split, row in counted(drawn, "drawing the wardrobe", total, "pictures"):
        rows[split].append(row)
    header = ["filename", "category", *ATTRIBUTES, "price"]
    _write_table(folder / "train.csv", header, rows["train"])
    _write_table(folder / "val.csv", header, rows["val"])
    _write_table(folder / "test.csv", header[:1], [row[:1] for row in rows["test"]])
    _write_table(folder / "test_labels.csv", header, rows["test"])


def write_wardrobe(sizes: WardrobeConfig, cache: Path, num_workers: int = 1) -> Path:
    """Return the folder of the data set in the cache, and draw it if it is not there yet.

    It holds train.csv and val.csv (filename, category, attributes as 0 or 1, price), test.csv (filename only),
    test_labels.csv to score predictions by, and the images in train/, val/ and test/. Every image is a pure
    function of seed, split, its number in the split and image_size. Any number of processes may call at once.

    Raises:
        UserError: the cache cannot be written to.
    """
    counts = f"{sizes.num_train}-{sizes.num_validation}-{sizes.num_test}"
    folder = cache / f"v{DRAWING_VERSION}-{counts}-{sizes.image_size}px-seed{sizes.seed}"
    if folder.is_dir():
        return folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with stage(lambda: "waiting for the wardrobe, which another process draws"), FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _write_complete(folder, sizes, num_workers)
    except OSError as error:
        raise UserError(
            f"cache folder {cache} of the wardrobe: {error}. Free space there, make it writable, "
            "or name another by --data.cache_dir"
        ) from error
    return folder


def _write_complete(folder: Path, sizes: WardrobeConfig, num_workers: int) -> None:
    """Draw into a folder beside it and rename that, so that `folder` is complete or absent."""
    partial = folder.with_name(f"{folder.name}.partial")
    if partial.exists():  # left by a process that was killed: the lock is ours now
        shutil.rmtree(partial)
    _write_all(partial, sizes, num_workers)
    partial.rename(folder)
