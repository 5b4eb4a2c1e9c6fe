"""Data sets of drawn pictures that are healthy, for tests to plant something in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mtl_accel.config import Config, validate
from mtl_accel.preflight.diagnosis.diagnose import diagnose
from mtl_accel.preflight.diagnosis.findings import Diagnosis

SIZE = 48
CLASSES, LABELS = ("coat", "dress"), ("red", "long")
TRANSFORMS = [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}]


class Photos:
    """A folder with train.csv, val.csv and pictures; `tables` are written when it is looked over."""

    def __init__(self, root: Path, num_train: int = 60, num_validation: int = 20) -> None:
        self.root = root
        root.mkdir()
        sizes = {"train": num_train, "val": num_validation}
        self.tables = {split: self._draw(split, size) for split, size in sizes.items()}

    def _draw(self, split: str, size: int) -> pd.DataFrame:
        rng = np.random.default_rng(size)
        (self.root / split).mkdir()
        names = [f"{split}/{number:03d}.png" for number in range(size)]
        for name in names:
            drawing(rng).save(self.root / name)
        labels = {label: rng.integers(0, 2, size) for label in LABELS}
        return pd.DataFrame({"filename": names, "category": rng.choice(CLASSES, size), **labels}).astype(object)

    def picture(self, split: str, row: int) -> Image.Image:
        return Image.open(self.root / self.tables[split]["filename"][row])

    def replace(self, split: str, row: int, picture: Image.Image, **options: Any) -> None:
        """Put another picture into a row, under a name of its own if it is to be a JPEG."""
        name = f"{split}/planted-{row}.{'jpg' if options else 'png'}"
        picture.save(self.root / name, **options)
        self.tables[split].loc[row, "filename"] = name

    def config(self, **data: Any) -> Config:
        for split, table in self.tables.items():
            table.to_csv(self.root / f"{split}.csv", index=False)
        tasks = {
            "category": {"kind": "multiclass", "column": "category"},
            "attribute": {"kind": "multilabel", "columns": list(LABELS)},
        }
        raw = {
            "data": {"source": str(self.root), "cache_dir": str(self.root.parent / "cache"), **data},
            "tasks": tasks,
            "batch_size": 8,
            "model": {"name": "resnet18_relu_linear", "weights": None},
            "transforms": {"train": TRANSFORMS, "eval": TRANSFORMS},
            "optimizer": {"name": "AdamW"},
        }
        return validate(raw, "the test")

    def diagnose(self, output: Path | None = None, **data: Any) -> Diagnosis:
        return diagnose(self.config(**data), output=output)


def drawing(rng: np.random.Generator) -> Image.Image:
    """Coloured clouds that are different each time."""
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    return coarse.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module", autouse=True)
def no_progress_bars() -> Iterator[None]:
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    yield
    if shown:
        datasets.enable_progress_bars()


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Photos]:
    return lambda *sizes: Photos(tmp_path / "photos", *sizes)
