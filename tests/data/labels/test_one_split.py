"""One split for prediction: no labels, no other split, and every row."""

from __future__ import annotations

import csv
import shutil

import pandas as pd
import pytest
from sources_drawn import EXPECTED, LAYOUTS, contents, draw, kaggle, load_source, quiet_caches  # noqa: F401

from mtl_accel.config import Config, read_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.one_split import read_images


@pytest.fixture
def config(tmp_path) -> Config:
    cache = {"data.source": str(tmp_path / "data"), "data.cache_dir": str(tmp_path / "cache")}
    return read_config("configs/quickstart.json", cache)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_split_of_any_layout_is_read_as_it_is_read_with_the_others(layout, tmp_path, caplog):
    LAYOUTS[layout](tmp_path / "data")
    for name, rows in EXPECTED.items():
        assert contents(load_source(str(tmp_path / "data"), only=name)) == {name: rows}
    assert not caplog.records


def test_a_test_split_needs_no_labels_and_nothing_of_the_other_splits(config, tmp_path):
    root = tmp_path / "data"
    kaggle(root, "photo,category\nlost.png,x\nlost.png,y\n")
    rows = [["photo", "filename"], ["b", "2.png"], ["a", "1.png"]]
    kaggle(tmp_path / "other", "filename\n1.png\n", "1.png", "2.png")
    for name in ("1.png", "2.png"):
        shutil.copy(tmp_path / "other" / name, root)
    with (root / "test.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    pictures, id_name, _ = read_images(config, "test")
    assert (pictures["id"][:], id_name) == (["2.png", "1.png"], "filename")
    named = config.model_copy(update={"data": config.data.model_copy(update={"id_column": "photo"})})
    pictures, id_name, _ = read_images(named, "test")
    assert (pictures["id"][:], id_name, pictures.column_names) == (["b", "a"], "photo", ["id", "image"])


def test_pictures_in_a_table_without_ids_are_numbered(config, tmp_path):
    encoded = draw(tmp_path / "1.png").read_bytes()
    (tmp_path / "data").mkdir()
    pd.DataFrame({"photo": [{"bytes": encoded, "path": None}] * 3}).to_parquet(tmp_path / "data" / "test.parquet")
    pictures, id_name, _ = read_images(config, "test")
    assert (pictures["id"][:], id_name) == (["0", "1", "2"], "id")


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_that_is_not_there_is_refused_with_those_that_are(config, tmp_path, split):
    kaggle(tmp_path / "data", "filename\n1.png\n", "1.png")
    with pytest.raises(
        UserError, match=f"has no {split} split; it has: train. Choose one of them by --split, such as --split train"
    ):
        read_images(config, split)
