"""The price of a garment: what it depends on, and that it changes nothing else."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mtl_accel.config import read_json, validate
from mtl_accel.config.sections.data import WardrobeConfig
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.data.wardrobe import photo
from mtl_accel.data.wardrobe.photo import cloth_colour_of, draw
from mtl_accel.data.wardrobe.price import sample_price
from mtl_accel.data.wardrobe.wardrobe import ATTRIBUTES, mislabel, sample_labels, write_wardrobe


def test_a_price_is_drawn_without_a_change_of_picture_and_labels(tmp_path: Path) -> None:
    sizes = WardrobeConfig(num_train=5, num_validation=1, num_test=1, image_size=32)
    folder = write_wardrobe(sizes, tmp_path)
    with (folder / "train.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        rng = Random(f"0/train/{number}")
        category, attributes = sample_labels(rng)
        written_category, written = mislabel(category, attributes, rng)
        quality, stream = rng.randint(60, 95), io.BytesIO()
        draw(category, attributes, 32, rng).save(stream, "JPEG", quality=quality)
        assert (folder / "train" / row["filename"]).read_bytes() == stream.getvalue()
        assert row["category"] == written_category
        assert {name for name in ATTRIBUTES if row[name] == "1"} == written


def test_labels_that_are_found_are_the_fifteen_attributes_and_a_price_is_learnt_if_it_is_named(tmp_path: Path) -> None:
    raw = read_json(Path("configs/quickstart.json"))
    raw["data"] |= {
        "wardrobe": {"num_train": 40, "num_validation": 10, "num_test": 1, "image_size": 32},
        "cache_dir": str(tmp_path),
    }
    assert read_dataset(validate(raw, "c.json")).tasks["attribute"].classes == ATTRIBUTES
    raw["tasks"]["price"] = {"kind": "regression", "columns": ["price"], "log1p": True}
    labelled = read_dataset(validate(raw, "c.json"))
    assert labelled.tasks["attribute"].classes == ATTRIBUTES
    assert labelled.targets["train"]["price"].mask.all() and labelled.targets["train"]["price"].target.min() > 1_000


def test_a_price_depends_on_category_pattern_and_colour_of_the_cloth_and_on_chance() -> None:
    white, black = (255, 255, 255), (0, 0, 0)

    def median(category: str, attributes: frozenset[str], cloth: tuple[int, ...]) -> float:
        return float(np.median([sample_price(category, attributes, cloth, Random(n)) for n in range(201)]))

    plain: frozenset[str] = frozenset()
    assert median("coat", plain, white) > 1.5 * median("t-shirt", plain, white)
    assert median("skirt", frozenset(["checks"]), white) > 1.1 * median("skirt", plain, white)
    assert median("skirt", plain, black) > 1.4 * median("skirt", plain, white)
    drawn = [sample_price("skirt", plain, white, Random(n)) for n in range(201)]
    assert 0.05 < np.std(np.log(drawn)) < 0.2 and all(price % 10 == 0 for price in drawn)


def test_the_colour_that_prices_know_is_that_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    colours, weave = [], photo.weave

    def recording_weave(base: tuple[int, ...], *rest: Any) -> Image.Image:
        colours.append(base)
        return weave(base, *rest)

    monkeypatch.setattr(photo, "weave", recording_weave)
    for seed in range(5):
        draw("coat", frozenset(), 32, Random(seed))
        assert colours[-1] == cloth_colour_of("coat", Random(seed))
