"""A small data set with broken images, for the tests that leave them out or name them."""

from __future__ import annotations

import json
from pathlib import Path

from loading_cases import png
from sources_drawn import write

from mtl_accel.config import Config, read_config

BROKEN = {"05.png": b"", "11.png": png(11)[:-40], "20.png": b"<html>", "23.png": b"\x89PNG\r\n\x1a\n"}


def draw(root: Path, broken: dict[str, bytes]) -> None:
    """A table of 24 images, some of which are broken files."""
    root.mkdir(parents=True, exist_ok=True)
    names = [f"{row:02d}.png" for row in range(24)]
    write(root / "train.csv", "filename,category\n" + "".join(f"{n},{'xyz'[i % 3]}\n" for i, n in enumerate(names)))
    for row, name in enumerate(names):
        (root / name).write_bytes(broken.get(name, png(row)))


def config_of(tmp_path: Path, **data) -> Config:
    size = [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}]
    config = {
        "run_dir": str(tmp_path / "run"),
        "epochs": 1,
        "batch_size": 4,
        "data": {"source": str(tmp_path / "data"), "cache_dir": str(tmp_path / "cache")} | data,
        "optimizer": {"name": "SGD", "lr": 0.1},
        "model": {"name": "resnet18_linear"},
        "tasks": {"category": {"kind": "multiclass", "column": "category"}},
        "transforms": {"train": size, "eval": size},
    }
    return read_config(str(write(tmp_path / "config.json", json.dumps(config))))
