"""A column that says the split of each row divides the table, and never in silence."""

from __future__ import annotations

import datasets
import pytest
from sources_drawn import draw, embedded, kaggle, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.config.sections.data import DataConfig
from mtl_accel.data.sources import load

ORDER = ["train", "test", "validation", "train"]


def _table(root, column, cells):
    rows = "".join(f"{index}.png,{index % 2},{cell}\n" for index, cell in enumerate(cells))
    return kaggle(root, f"filename,a,{column}\n{rows}", *(f"{index}.png" for index in range(len(cells))))


def _ids(source):
    return {name: split["id"][:] for name, split in source.splits.items()}


def _expected(order):
    return {
        name: [f"{index}.png" for index, split in enumerate(order) if split == name]
        for name in ("train", "validation", "test")
        if name in order
    }


@pytest.mark.parametrize(
    ("column", "cells", "order"),
    [
        ("split", ["train", "test", "val", "train"], ORDER),
        ("Set", ["Training", " TEST ", "Valid", "TRAIN"], ORDER),
        ("subset", ["train", "testing", "dev", "train"], ORDER),
        ("partition", ["0", "2", "1", "0"], ORDER),
        ("is_valid", ["False", "true", "TRUE", "false"], ["train", "validation", "validation", "train"]),
        ("is_valid", ["0", "1", "1", "0"], ["train", "validation", "validation", "train"]),
        ("split", ["train", "test", "test", "train"], ["train", "test", "test", "train"]),
    ],
)
def test_a_split_column_is_found_by_its_name_and_noted_with_the_counts(column, cells, order, tmp_path):
    source = load_source(_table(tmp_path, column, cells))
    assert _ids(source) == _expected(order)
    assert all(split.column_names == ["id", "image", "a"] for split in source.splits.values())
    counts = ", ".join(f"{order.count(name)} {name}" for name in ("train", "validation", "test"))
    assert source.notes == (
        f"train.csv: its column {column!r} says the split of each row: {counts} (data.split_column)",
    )
    lines = {name: source.origins[name].lines_of([0]) for name in source.splits}
    assert lines == {name: [order.index(name) + 2] for name in source.splits}


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["train", "test", "val", "train"], ORDER),
        (["0", "1", "1", "0"], ["train", "validation", "validation", "train"]),
        (["true", "false", "false", "true"], ["validation", "train", "train", "validation"]),
    ],
)
def test_a_named_split_column_is_not_noted(cells, order, tmp_path):
    source = load_source(_table(tmp_path, "fold", cells), split_column="fold")
    assert _ids(source) == _expected(order) and not source.notes


def test_a_label_that_a_task_names_and_a_column_that_is_switched_off_stay_labels(tmp_path):
    _table(tmp_path, "set", ["train", "test", "val", "train"])
    off = load_source(tmp_path, split_column="")
    label = load.load_source(DataConfig(source=str(tmp_path)), label_columns=["set"])
    for source in (off, label):
        assert list(source.splits) == ["train"] and source.splits["train"]["set"][:] == [
            "train",
            "test",
            "val",
            "train",
        ]
        assert not source.notes
    assert list(load_source(tmp_path, group_column="set").splits) == ["train"]
    assert off.fingerprint == label.fingerprint != load_source(tmp_path).fingerprint


@pytest.mark.parametrize(
    ("column", "cells", "rule"),
    [
        ("split", ["train", "tset", "", "train"], "train.csv, line 3: 'tset' (column 'split') is no split"),
        ("split", ["train", "tset", "", "train"], "train.csv, line 4: None (column 'split') is no split"),
        ("is_valid", ["true", "maybe"], "line 3: 'maybe' (column 'is_valid') is no split"),
        ("split", ["train", "2"], "line 3: '2' (column 'split') is no split"),
        ("set", ["0", "1", "1", "0"], "the column 'set' holds only 0 and 1, which may be splits or a label"),
    ],
)
def test_cells_that_say_no_split_are_an_error_with_file_line_and_knob(column, cells, rule, tmp_path):
    message = problems(_table(tmp_path, column, cells))
    assert rule in message and "--data.split_column ''" in message


def test_two_split_columns_and_a_named_one_that_is_not_there_are_errors(tmp_path):
    kaggle(tmp_path, "filename,split,is_valid\n0.png,train,0\n", "0.png")
    assert "the columns 'split' and 'is_valid' could both say the split of a row" in problems(tmp_path)
    message = problems(tmp_path, split_column="part")
    assert "data.split_column" in message and "has no column 'part'. It has: filename, split, is_valid" in message


def test_a_split_column_that_contradicts_the_files_of_splits_is_an_error(tmp_path):
    write(tmp_path / "test.csv", "filename,split\n1.png,test\n")
    draw(tmp_path / "1.png")
    kaggle(tmp_path, "filename,split\n0.png,train\n", "0.png")
    assert _ids(load_source(tmp_path)) == {"train": ["0.png"], "test": ["1.png"]}
    write(tmp_path / "train.csv", "filename,split\n0.png,train\n1.png,test\n")
    message = problems(tmp_path)
    assert "train.csv: it is the train split, but its column 'split' says test in some rows" in message
    assert len(load_source(tmp_path, split_column="").splits["train"]) == 2


def test_images_are_looked_for_in_the_folders_of_their_split_first(tmp_path):
    draw(tmp_path / "train" / "1.png")
    draw(tmp_path / "test" / "1.png")
    draw(tmp_path / "train" / "2.png")
    write(tmp_path / "train.csv", "filename,key,split\n1.png,a,train\n1.png,b,test\n2.png,c,test\n")
    source = load_source(tmp_path, id_column="key")
    paths = [row["path"] for row in source.splits["test"]["image"][:]]
    assert paths == [str(tmp_path / "test" / "1.png"), str(tmp_path / "train" / "2.png")]


@pytest.mark.parametrize("kind", ["text", "class numbers", "bool", "integers"])
def test_a_split_column_of_parquet_is_read_whatever_its_type(kind, tmp_path):
    table = embedded("train")
    words = ["train", "test", "validation", "train"]
    if kind == "class numbers":
        names = datasets.ClassLabel(names=["test", "train", "validation"])
        table = table.add_column("split", words).cast_column("split", names)
    elif kind == "bool":
        table = table.add_column("is_valid", [False, True, True, False])
    elif kind == "integers":
        table = table.add_column("split", [0, 2, 1, 0])
    else:
        table = table.add_column("split", words)
    table.to_parquet(tmp_path / "train.parquet")
    sizes = {name: len(split) for name, split in load_source(tmp_path).splits.items()}
    assert sizes == ({"train": 2, "validation": 2} if kind == "bool" else {"train": 2, "validation": 1, "test": 1})


def test_one_split_alone_is_read_from_the_table_of_all(tmp_path):
    source = load_source(_table(tmp_path, "split", ["train", "test", "val", "train"]), only="test")
    assert _ids(source) == {"test": ["1.png"]}
    assert source.splits["test"].column_names == ["id", "image", "a"]
