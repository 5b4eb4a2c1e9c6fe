"""Every layout of one data set gives the same ids, labels and pixels, wherever it is read from."""

from __future__ import annotations

import os

import datasets
import pytest
from sources_drawn import EXPECTED, LAYOUTS, SPLITS, contents, draw, kaggle, load_source, problems, quiet_caches, write  # noqa: F401


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_ids_labels_and_pixels(layout, tmp_path, caplog):
    LAYOUTS[layout](tmp_path / "data [v1]")
    loaded = load_source(str(tmp_path / "data [v1]"))
    assert contents(loaded) == EXPECTED
    for split in loaded.splits.values():
        assert split.column_names[:2] == ["id", "image"]
        assert split.features["image"] == datasets.Image(decode=False)
        assert split.features["id"] == datasets.Value("string")
    assert not caplog.records


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_working_folder_does_not_matter(layout, tmp_path, monkeypatch):
    root = tmp_path / "data"
    LAYOUTS[layout](root)
    monkeypatch.chdir(tmp_path)
    relative = load_source("data")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    absolute = load_source(str(root))
    assert contents(relative) == contents(absolute) == EXPECTED
    assert relative.fingerprint == absolute.fingerprint


@pytest.mark.parametrize("layout", LAYOUTS)
def test_max_images_keeps_the_first_rows(layout, tmp_path):
    LAYOUTS[layout](tmp_path / "data")
    loaded = load_source(str(tmp_path / "data"), max_images=1)
    assert {name: len(split) for name, split in loaded.splits.items()} == dict.fromkeys(SPLITS, 1)


@pytest.mark.parametrize("layout", ["kaggle", "class folders", "metadata.csv", "parquet of paths"])
def test_the_fingerprint_changes_with_an_image_file(layout, tmp_path):
    LAYOUTS[layout](tmp_path)
    before = load_source(str(tmp_path)).fingerprint
    assert load_source(str(tmp_path)).fingerprint == before
    file = tmp_path / "train" / "cat" / "1.png"
    os.utime(file, ns=(0, 0))
    assert load_source(str(tmp_path)).fingerprint != before


def test_the_fingerprint_changes_with_the_table(tmp_path):
    LAYOUTS["kaggle"](tmp_path)
    before = load_source(str(tmp_path)).fingerprint
    status = (tmp_path / "train.csv").stat()
    write(tmp_path / "train.csv", (tmp_path / "train.csv").read_text().replace(",dog", ",cat"))
    os.utime(tmp_path / "train.csv", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert load_source(str(tmp_path)).fingerprint != before


@pytest.mark.parametrize("names", [("val.csv", "valid.csv"), ("val/a.png", "valid/a.png")])
def test_two_validation_splits_are_an_error(names, tmp_path):
    for name in names:
        draw(tmp_path / name) if name.endswith("png") else write(tmp_path / name, "filename\na.png\n")
    assert "are both the validation split" in problems(tmp_path)


def test_splits_must_share_the_image_and_id_columns(tmp_path):
    write(tmp_path / "test.csv", "name\na.png\n")
    assert "no column 'filename', which other splits have" in problems(kaggle(tmp_path, "filename\na.png\n", "a.png"))


@pytest.mark.parametrize("source", ["no_such_folder", "./a/b/c", "csv", "/nowhere/at/all", "https://host/data"])
def test_a_source_that_is_nothing_is_an_error_at_once(source):
    assert f"data.source: '{source}' is neither a folder that exists" in problems(source)


def test_an_empty_folder_and_a_file_are_errors(tmp_path):
    assert "holds no data set" in problems(tmp_path)
    file = write(tmp_path / "train.pickle", "filename\na.png\n")
    assert "is a file. Give the folder" in problems(file)
