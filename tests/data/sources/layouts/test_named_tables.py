"""data.tables names the table of each split: any name, any folder, any format."""

from __future__ import annotations

import shutil

import pytest
from sources_drawn import draw, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.config import Config, read_config
from mtl_accel.config.sections.data import DataConfig
from mtl_accel.core.errors import UserError

ROWS = "image,label\n0.png,x\n1.png,y\n"


@pytest.fixture
def folder(tmp_path):
    """Images of three splits, and a table for each of them."""
    for split in ("a", "b", "c"):
        draw(tmp_path / "photos" / f"{split}0.png")
        draw(tmp_path / "photos" / f"{split}1.png")
    write(tmp_path / "photos" / "labels.csv", "image,label\na0.png,x\na1.png,y\n")
    write(tmp_path / "held out.tsv", "image\tlabel\nb0.png\tx\nb1.png\ty\n")
    write(tmp_path / "lists" / "new.jsonl", '{"image": "c0.png"}\n{"image": "c1.png"}\n')
    return tmp_path


def ids(source) -> dict[str, list[str]]:
    return {name: table["id"][:] for name, table in source.splits.items()}


@pytest.mark.parametrize("name", ["validation", "val", "valid", "dev"])
def test_tables_of_any_name_format_and_folder_are_the_splits(name, folder):
    tables = {"train": "labels.csv", name: str(folder / "held out.tsv"), "test": "../lists/new.jsonl"}
    source = load_source(folder / "photos", tables=tables)
    letters = {"train": "a", "validation": "b", "test": "c"}
    assert ids(source) == {split: [f"{letter}0.png", f"{letter}1.png"] for split, letter in letters.items()}
    assert source.notes == ("../held out.tsv: its columns are separated by tabs (data.delimiter)",)
    assert "data.delimiter" not in source.inferred and source.inferred["data.encoding"] == "utf-8"


def test_read_only_images_stay_where_they_are_with_the_table_in_a_folder_of_the_user(folder):
    (folder / "input").mkdir()
    shutil.move(folder / "photos", folder / "input" / "photos")
    shutil.move(folder / "input" / "photos" / "labels.csv", folder / "working.csv")
    (folder / "input").chmod(0o555)
    (folder / "link").symlink_to(folder / "input")
    for source, names in (
        (load_source(folder / "input" / "photos", tables={"train": str(folder / "working.csv")}), None),
        (
            load_source("wardrobe", tables={"train": str(folder / "working.csv")}, image_dirs=["link/photos"]),
            "working.csv",
        ),
    ):
        assert ids(source) == {"train": ["a0.png", "a1.png"]}
        if names is not None:  # data.source is left out, and so it is the folder of the table
            assert source.inferred["data.source"] == str(folder)
            assert source.inferred["data.tables"] == {"train": names}
            again = load_source(folder, tables={"train": names}, image_dirs=["link/photos"])
            assert again.fingerprint == source.fingerprint


def test_one_named_table_may_hold_all_splits(folder):
    write(folder / "all.csv", "image,label,split\na0.png,x,train\nb0.png,x,val\nc0.png,x,test\n")
    source = load_source(folder, tables={"train": "all.csv"})
    assert ids(source) == {"train": ["a0.png"], "validation": ["b0.png"], "test": ["c0.png"]}
    assert source.inferred["data.image_dirs"] == ["photos"] and "photos/, the only folder" in source.notes[0]


def test_prediction_reads_no_table_but_that_of_its_split(folder):
    tables = {"train": "gone.csv", "test": "lists/new.jsonl"}
    assert ids(load_source(folder, only="test", tables=tables)) == {"test": ["c0.png", "c1.png"]}


def test_everything_that_is_wrong_is_said_at_once(folder):
    write(folder / "broken.csv", "image,label\na0.png\n")
    write(folder / "notes.docx", "")
    tables = {"train": "photos/labels.csv", "validation": "photos/../photos/labels.csv", "test": "gone.csv"}
    message = problems(folder, tables=tables)
    assert f"data.tables.test: {folder / 'gone.csv'} is no file" in message
    assert "data.tables.validation" in message and "is the table of train, too" in message
    message = problems(folder, tables={"train": "broken.csv", "test": "notes.docx"})
    assert "broken.csv, line 2: 1 cells" in message and "notes.docx has the suffix of no table" in message
    assert "relative to data.source, which is 'owner/name'" in problems("owner/name", tables={"train": "a.csv"})


def test_names_of_splits_are_checked_with_the_config():
    with pytest.raises(ValueError, match="must name validation once, and not as val and dev"):
        DataConfig(tables={"val": "a.csv", "dev": "b.csv"})
    with pytest.raises(UserError, match=r"data.tables.tran: .*did you mean 'train'"):
        read_config("configs/quickstart.json", {"data.tables": {"tran": "a.csv"}})


def test_a_split_may_be_named_on_the_command_line():
    config: Config = read_config("configs/quickstart.json", {"data.tables.train": "a.csv", "data.tables.val": "b.csv"})
    assert config.data.tables == {"train": "a.csv", "validation": "b.csv"}
