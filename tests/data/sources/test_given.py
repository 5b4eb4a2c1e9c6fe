"""Frames and data sets that a Python caller gives become tables that their content names."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pytest
from broken_cases import config_of
from PIL import Image
from sources_drawn import ROWS, draw, picture, quiet_caches  # noqa: F401

from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.decoding import decode
from mtl_accel.data.sources.given import with_given_data
from mtl_accel.data.sources.load import Source, load_source

PICTURES = [picture("train", name) for name, _ in ROWS["train"]]
CLASSES = [label for _, label in ROWS["train"]]


@pytest.fixture
def config(tmp_path):
    return config_of(tmp_path)


def read(config, data, **options) -> Source:
    return load_source(with_given_data(config, data, **options).data)


def pixels(source: Source) -> list[bytes]:
    return [decode(row["image"], place="").tobytes() for row in source.splits["train"]]


def paths(folder: Path, kind: type = str) -> list:
    return [kind(draw(folder / f"{row}.png", image)) for row, image in enumerate(PICTURES)]


@pytest.mark.parametrize("kind", ["pictures", "bytes", "paths", "texts", "data set", "data set of paths"])
def test_images_of_every_kind_are_read_with_their_labels(kind, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = {
        "pictures": lambda: PICTURES,
        "bytes": lambda: [Path(path).read_bytes() for path in paths(tmp_path)],
        "paths": lambda: paths(tmp_path, Path),
        "texts": lambda: [Path(path).name for path in paths(tmp_path)],
        "data set": lambda: PICTURES,
        "data set of paths": lambda: paths(tmp_path),
    }[kind]()
    rows = {"image": images, "label": CLASSES}
    if "data set" in kind:
        features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])}
        data = datasets.Dataset.from_dict(rows, features=datasets.Features(features))
    else:
        data = pd.DataFrame(rows)
    source = read(config, data)
    assert source.splits["train"]["label"][:] == CLASSES
    assert pixels(source) == [image.tobytes() for image in PICTURES]
    assert read(config, data).fingerprint == source.fingerprint
    assert read(config, data).splits["train"]._fingerprint == source.splits["train"]._fingerprint


def test_another_cell_is_other_data_and_the_index_is_none_of_them(config):
    frame = pd.DataFrame({"image": PICTURES, "label": CLASSES, "price": [1.0, np.nan, 3.0, 4.0]})
    before = read(config, frame).fingerprint
    assert read(config, frame.set_index(pd.Index([3, 1, 2, 0]))).fingerprint == before
    assert read(config, frame.assign(label=["dog", *CLASSES[1:]])).fingerprint != before
    assert read(config, frame.assign(label=frame["label"].astype("category"))).fingerprint == before


def test_paths_lead_into_image_dirs_or_the_working_folder_and_nowhere_else(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame({"image": [Path(path).name for path in paths(tmp_path / "photos")], "label": CLASSES})
    named = config.model_copy(update={"data": config.data.model_copy(update={"image_dirs": ("photos",)})})
    given = with_given_data(named, frame)
    monkeypatch.chdir("/")
    assert pixels(load_source(given.data)) == [image.tobytes() for image in PICTURES]
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert "there is no such file" in str(read(config, frame).row_problems)
    outside = frame.assign(image=paths(tmp_path / "photos"))
    assert "outside of the data folder" in str(read(config, outside).row_problems)


def test_splits_are_named_by_a_mapping_or_a_column(config):
    frame = pd.DataFrame({"image": PICTURES, "label": CLASSES})
    tables = {"train": frame, "val": datasets.Dataset.from_pandas(frame.assign(image=range(4)), preserve_index=False)}
    del tables["val"]
    assert set(read(config, {**tables, "dev": frame}).splits) == {"train", "validation"}
    assert set(read(config, frame, split="test").splits) == {"test"}
    by_column = frame.assign(split=["train", "train", "val", "test"])
    assert {name: len(table) for name, table in read(config, by_column).splits.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }


def test_everything_that_is_no_table_is_said_at_once(config):
    mixed = pd.DataFrame({"image": PICTURES, "label": [1, "x", 2, "y"]})
    data = {"train": mixed, "holdout": mixed, "val": 3, "test": pd.DataFrame()}
    with pytest.raises(UserError) as error:
        with_given_data(config, data)
    text = str(error.value)
    assert "data['train']: column 'label' mixes types" in text and "data: 'holdout' is no split" in text
    assert "data['val']: int is no table; give a pandas.DataFrame" in text and "data['test']: the frame has no" in text


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"])
def test_pictures_of_every_mode_keep_their_pixels(mode, config):
    image = Image.new(mode, (6, 4)) if mode in ("I;16", "I", "F") else PICTURES[0].convert(mode)
    (row,) = read(config, pd.DataFrame({"image": [image], "label": ["x"]})).splits["train"]
    assert decode(row["image"], place="").tobytes() == decode(image, place="").tobytes()
