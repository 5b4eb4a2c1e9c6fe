"""Class folders and metadata files."""

from __future__ import annotations

import pandas as pd
import pytest
from sources_drawn import draw, load_source, problems, quiet_caches, write  # noqa: F401


def test_one_level_of_class_folders_is_train_and_classes_take_turns(tmp_path):
    for name in ("b/1.png", "b/2.png", "a/1.png", "a/deep/2.png"):
        draw(tmp_path / name)
    loaded = load_source(str(tmp_path))
    assert list(loaded.splits) == ["train"]
    assert loaded.splits["train"]["label"][:] == ["a", "b", "a", "b"]
    assert loaded.splits["train"]["id"][:] == ["a/1.png", "b/1.png", "a/deep/2.png", "b/2.png"]


def test_a_test_folder_without_classes_has_no_labels(tmp_path):
    draw(tmp_path / "train" / "a" / "1.png")
    draw(tmp_path / "test" / "2.png")
    loaded = load_source(str(tmp_path))
    assert loaded.splits["test"].column_names == ["id", "image"]


def test_other_files_in_class_folders_are_logged_and_misplaced_metadata_is_an_error(tmp_path, caplog):
    draw(tmp_path / "a" / "1.png")
    draw(tmp_path / "b" / "2.png")
    write(tmp_path / "a" / "notes.txt", "x")
    load_source(str(tmp_path))
    assert "1 entries are no image files and are not used: a/notes.txt" in caplog.text
    write(tmp_path / "a" / "metadata.csv", "file_name\n1.png\n")
    assert "must lie in the data folder itself" in problems(tmp_path)


def test_heic_photos_among_others_are_rows_and_not_left_out(tmp_path, caplog):
    draw(tmp_path / "a" / "1.png")
    write(tmp_path / "b" / "IMG_2.HEIC", "whether it can be decoded shows later")
    loaded = load_source(str(tmp_path))
    assert loaded.splits["train"]["id"][:] == ["a/1.png", "b/IMG_2.HEIC"] and not caplog.records


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_one_metadata_file_for_all_splits(kind, tmp_path):
    rows = [("train/1.png", "x"), ("val/2.png", "y"), ("train/3.png", "z")]
    frame = pd.DataFrame(rows, columns=["file_name", "label"])
    for name, _ in rows:
        draw(tmp_path / name)
    if kind == "csv":
        frame.to_csv(tmp_path / "metadata.csv", index=False)
    elif kind == "jsonl":
        frame.to_json(tmp_path / "metadata.jsonl", orient="records", lines=True)
    else:
        frame.to_parquet(tmp_path / "metadata.parquet")
    splits = load_source(str(tmp_path)).splits
    assert splits["train"]["label"][:] == ["x", "z"] and splits["validation"]["id"][:] == ["val/2.png"]


def test_metadata_names_a_missing_image_and_leaves_one_out(tmp_path, caplog):
    draw(tmp_path / "train" / "a.png")
    draw(tmp_path / "train" / "b.png")
    file = write(tmp_path / "train" / "metadata.csv", "file_name\na.png\n")
    load_source(str(tmp_path))
    assert "1 of 2 images have no row: train/b.png" in caplog.text
    write(file, "file_name\na.png\ngone.png\n")
    assert f"{file}, line 3: image 'gone.png'" in problems(tmp_path)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"file_name": "a.png"}\n{"file_name"\n', "line 2: not JSON"),
        ("[1]\n", "line 1: '[1]' is not a JSON object"),
        ('{"file_name": "a.png", "x": 1}\n{"file_name": "b.png", "x": "y"}\n', "key 'x' mixes types"),
        ("\n", "no rows"),
    ],
)
def test_broken_metadata_jsonl_is_an_error(text, rule, tmp_path):
    draw(tmp_path / "train" / "a.png")
    write(tmp_path / "train" / "metadata.jsonl", text)
    assert rule in problems(tmp_path)
