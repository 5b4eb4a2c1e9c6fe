"""One table of any name is the training table of its folder; two are an error, and other text files are none."""

from __future__ import annotations

import pytest
from sources_drawn import draw, load_source, problems, quiet_caches, write  # noqa: F401

ROWS = "image,label\n0.png,x\n1.png,y\n"


@pytest.mark.parametrize("place", ["", "images", "photos", "train"])
@pytest.mark.parametrize("name", ["labels.csv", "annotations.tsv", "list.txt"])
def test_the_only_table_is_the_training_table_with_a_line_in_the_log(name, place, tmp_path):
    write(tmp_path / name, ROWS.replace(",", "\t") if name.endswith("tsv") else ROWS)
    for image in ("0.png", "1.png"):
        draw(tmp_path / place / image)
    source = load_source(tmp_path)
    assert list(source.splits) == ["train"] and source.splits["train"]["label"][:] == ["x", "y"]
    assert source.notes[-1] == f"{name}: it is read as the training table, the only one of the folder"


def test_two_tables_are_an_error_that_lists_them_and_one_can_be_named(tmp_path):
    for image in ("0.png", "1.png"):
        draw(tmp_path / image)
    write(tmp_path / "a.csv", ROWS)
    write(tmp_path / "b.csv", ROWS.replace(",y", ",z"))
    message = problems(tmp_path)
    assert "holds 2 tables of images: a.csv, b.csv. Name the training table train.csv" in message
    named = load_source(tmp_path / "b.csv")
    assert named.splits["train"]["label"][:] == ["x", "z"] and not named.notes


def test_a_named_table_is_the_split_of_its_name(tmp_path):
    draw(tmp_path / "0.png")
    write(tmp_path / "test.csv", "image\n0.png\n")
    assert list(load_source(tmp_path / "test.csv").splits) == ["test"]


def test_class_folders_beside_a_text_that_names_no_images_stay_class_folders(tmp_path, caplog):
    for image in ("cat/0.png", "dog/1.png"):
        draw(tmp_path / image)
    write(tmp_path / "README.txt", "Photos of\ncats and dogs\n")
    write(tmp_path / "counts.csv", "class,count\ncat,1\ndog,1\n")
    source = load_source(tmp_path)
    assert source.splits["train"]["label"][:] == ["cat", "dog"] and not source.notes
    assert "2 entries are no image files and are not used: README.txt, counts.csv" in caplog.text


def test_a_list_of_images_without_a_header_is_an_error(tmp_path):
    for image in ("0.png", "1.png"):
        draw(tmp_path / image)
    file = write(tmp_path / "list.txt", "0.png\n1.png\n")
    assert f"{file}, line 1: it names an image, '0.png', in place of the columns" in problems(tmp_path)


def test_a_table_may_stand_apart_from_the_folder_of_its_images(tmp_path):
    draw(tmp_path / "photos" / "0.png")
    write(tmp_path / "tables" / "labels.csv", "image,label\n0.png,x\n")
    source = load_source(tmp_path / "tables", image_dirs=("../photos",))
    assert source.splits["train"]["label"][:] == ["x"]


def test_the_only_table_may_hold_all_splits(tmp_path):
    for image in ("0.png", "1.png"):
        draw(tmp_path / "photos" / image)
    write(tmp_path / "labels.csv", ",image,split\n0,0.png,train\n1,1.png,test\n")
    source = load_source(tmp_path)
    assert {name: split["id"][:] for name, split in source.splits.items()} == {"train": ["0.png"], "test": ["1.png"]}
    assert len(source.notes) == 4
