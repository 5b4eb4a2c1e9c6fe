"""Where tables lie: in the folder, one folder deeper, nowhere; and what beside class folders is no table of images."""

from __future__ import annotations

import os

import datasets
import pandas as pd
import pytest
from sources_drawn import EXPECTED, LAYOUTS, contents, draw, load_source, problems, quiet_caches, write  # noqa: F401

ROWS = "image,label\n0.png,x\n1.png,y\n"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_data_set_one_folder_deeper_is_found_in_every_layout_and_can_be_named(layout, tmp_path):
    LAYOUTS[layout](tmp_path / "unzipped" / "dataset")
    (tmp_path / "unzipped" / "__MACOSX").mkdir()
    source = load_source(tmp_path / "unzipped")
    assert contents(source) == EXPECTED
    (note,) = [note for note in source.notes if "data.source" in note or "data.tables" in note]
    assert "dataset/" in note
    root = source.inferred.get("data.source", str(tmp_path / "unzipped"))
    said = load_source(root, tables=source.inferred.get("data.tables"))
    assert contents(said) == EXPECTED and said.fingerprint == source.fingerprint


def test_tables_and_images_in_two_folders_beside_each_other_are_found(tmp_path):
    for image in ("0.png", "1.png"):
        draw(tmp_path / "images" / image)
    write(tmp_path / "annotations" / "labels.csv", ROWS)
    source = load_source(tmp_path)
    assert source.splits["train"]["label"][:] == ["x", "y"]
    assert source.inferred["data.tables"] == {"train": "annotations/labels.csv"}


def test_a_table_in_the_folder_of_each_split_is_its_table(tmp_path):
    for split in ("train", "valid"):
        draw(tmp_path / split / f"{split}.png")
        write(tmp_path / split / "_classes.csv", f"filename,a\n{split}.png,1\n")
    source = load_source(tmp_path)
    assert {name: table["id"][:] for name, table in source.splits.items()} == {
        "train": ["train.png"],
        "validation": ["valid.png"],
    }
    assert source.inferred["data.tables"] == {"train": "train/_classes.csv", "validation": "valid/_classes.csv"}


def test_tables_in_several_folders_are_an_error_that_says_where_they_lie(tmp_path):
    for name in ("a", "b"):
        draw(tmp_path / name / "0.png")
        write(tmp_path / name / "train.csv", "image,label\n0.png,x\n")
    assert "tables in several folders: a/train.csv, b/train.csv. Give one of the folders" in problems(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("labels.csv", "image,label\ngone.png,x\n", "it has a column 'image', but its first rows name no image"),
        ("labels.csv", 'file,label\n"0.png,x\n', "it cannot be read as a table"),
        ("list.txt", "what,label\ngone.png,x\nlost.png,y\n", "it names images, such as 'gone.png', but none that is"),
        ("train/labels.csv", "image,label\ngone.png,x\n", "it has a column 'image'"),
    ],
)
def test_a_table_that_should_be_that_of_the_images_is_never_left_aside_in_silence(name, text, words, tmp_path):
    for image in ("train/cat/0.png", "train/dog/1.png"):
        draw(tmp_path / image)
    file = write(tmp_path / name, text)
    message = problems(tmp_path)
    assert str(file) in message and words in message
    assert f"--data.tables.train {file.name}" in message and "--data.tables '{}'" in message
    assert load_source(tmp_path, tables={}).splits["train"]["label"][:] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "cat\ndog\n"),
        ("README.txt", 'Photos of "cats\n'),
        ("counts.csv", "class,count\ncat,1\n"),
        ("info.json", '{"a": 1}'),
        ("cat/notes.txt", "fluffy"),
    ],
)
def test_other_tables_beside_class_folders_are_no_matter(name, text, tmp_path):
    for image in ("cat/0.png", "dog/1.png"):
        draw(tmp_path / image)
    write(tmp_path / name, text)
    source = load_source(tmp_path)
    assert source.splits["train"]["label"][:] == ["cat", "dog"] and source.inferred["data.tables"] == {}


def test_what_systems_leave_behind_is_no_class_and_is_not_walked_into(tmp_path, caplog):
    for image in ("cat/0.png", "dog/1.png"):
        draw(tmp_path / image)
    for junk in ("@eaDir", ".ipynb_checkpoints", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "cat/@eaDir"):
        draw(tmp_path / junk / "0.png")
    for junk in (".DS_Store", "Thumbs.db", "cat/desktop.ini"):
        write(tmp_path / junk, "x")
    assert load_source(tmp_path).splits["train"]["id"][:] == ["cat/0.png", "dog/1.png"]
    write(tmp_path / "train.csv", "image,label\ncat/0.png,x\ndog/1.png,y\n")
    load_source(tmp_path)
    assert not caplog.records


@pytest.mark.parametrize("table", ["labels.csv", None])
def test_a_folder_is_listed_once(table, tmp_path, monkeypatch):
    for image in ("photos/cat/0.png", "photos/dog/1.png"):
        draw(tmp_path / image)
    if table:
        write(tmp_path / table, "image,label\ncat/0.png,x\ndog/1.png,y\n")
    listed = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: (listed.append(str(folder)), scan(folder))[1])
    load_source(tmp_path, **({"image_dirs": ["photos"]} if table else {}))
    below = sorted(folder for folder in listed if folder.startswith(str(tmp_path / "photos")))
    assert below == [str(tmp_path / folder) for folder in ("photos", "photos/cat", "photos/dog")]


def test_a_folder_of_saved_tables_inside_another_says_where_it_was_found(tmp_path):
    rows = pd.DataFrame({"image": [draw(tmp_path / "a.png").read_bytes()], "label": ["x"]})
    datasets.Dataset.from_pandas(rows).save_to_disk(tmp_path / "outer" / "inner")
    source = load_source(tmp_path / "outer")
    assert source.notes == (f"{tmp_path / 'outer' / 'inner'}: the data set lies in inner/ (data.source)",)
    assert source.inferred["data.source"] == str(tmp_path / "outer" / "inner")
