"""Where a config names no columns of labels, the log says which were taken, and which were left out by which cell."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
import real_runs as runs
from pydantic import TypeAdapter
from sources_drawn import quiet_caches  # noqa: F401 (an autouse fixture)

from mtl_accel import config as config_module
from mtl_accel.config.sections.tasks import MultilabelConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels import dataset
from mtl_accel.data.labels.reader import LabelReader
from mtl_accel.data.sources import table_cache

NUM_ROWS = 30
GOOD = ["0", "1", None] * (NUM_ROWS // 3)


def read(table: dict[str, list], **config) -> LabelReader:
    count = len(next(iter(table.values())))
    split = datasets.Dataset.from_dict({"id": [f"{row:03}.png" for row in range(count)], **table})
    reader = LabelReader({"train": split}, {"id"})
    reader.find_tasks({"attribute": TypeAdapter(MultilabelConfig).validate_python({"kind": "multilabel"} | config)})
    return reader


def notes_of(table: dict[str, list], **config) -> list[str]:
    return read(table, **config).notes


def with_cell(row: int, value: str, cells: list[str | None] = GOOD) -> list[str | None]:
    return [*cells[:row], value, *cells[row + 1 :]]


def test_a_column_left_out_for_one_cell_is_named_with_that_cell():
    assert notes_of({"a": with_cell(4, "2"), "b": GOOD}) == ["attribute: labels b; not a (train, 004.png: '2')"]


def test_the_first_wrong_cell_may_stand_behind_many_right_ones():
    many = GOOD * (table_cache.ROWS // len(GOOD) + 1)
    (note,) = notes_of({"a": with_cell(len(many) - 2, "x", many), "b": many})
    assert note == f"attribute: labels b; not a (train, {len(many) - 2:03}.png: 'x')"


def test_labels_alone_and_columns_that_are_named_need_no_word_of_others():
    assert notes_of({"a": GOOD, "b": GOOD}) == ["attribute: labels a, b"]
    assert notes_of({"a": with_cell(4, "2"), "b": GOOD}, columns=["b"]) == []


def test_of_many_columns_of_text_few_are_told_shortly_and_those_that_nearly_are_labels_all():
    text = {f"text{n}": ["x" * 1000] * NUM_ROWS for n in range(40)}
    near = {f"near{n}": with_cell(n, "maybe") for n in range(7)}
    (note,) = notes_of(text | {"b": GOOD} | near)
    assert note.count("near") == 7 and "near6 (train, 006.png: 'maybe')" in note
    assert note.endswith("and 40 more") and len(note) < 400
    (note,) = notes_of(text | {"b": GOOD} | dict(list(near.items())[:1]))
    assert note.count("text") == 4 and note.endswith("and 36 more") and len(note) < 400


def test_a_column_of_objects_is_no_label():
    with pytest.raises(UserError, match=r"train, split train, column 'a': it holds struct<x: int64> in each row, not"):
        read({"a": [{"x": 1}] * NUM_ROWS}, column="a")


def test_blank_columns_and_lists_are_told_as_such():
    (note,) = notes_of({"a": [None] * NUM_ROWS, "b": GOOD, "c": [["0"]] * NUM_ROWS})
    assert note == "attribute: labels b; not a (train: all blank), c (not one value a row)"


def test_where_no_column_fits_the_error_names_the_cell_that_each_failed_by():
    (problem,) = read({"a": with_cell(4, "2")}).problems
    assert "none of the columns left over (a (train, 004.png: '2')) holds only 0, 1 or blanks" in problem


def test_a_run_says_so_at_its_start_on_the_console_and_in_log_txt(tmp_path):
    source = runs.write_source(tmp_path / "source", num_train=NUM_ROWS, num_validation=8)
    spoil(source / "train.csv", row=4, column=3, value="2")
    config = runs.write_config(tmp_path / "c.json", source, epochs=1)
    printed = runs.run(config)
    line = "attribute: labels big, left; not red (train, 4.png: '2')"
    logged = (runs.run_dir(config) / "log.txt").read_text().splitlines()
    assert logged[0].startswith("starting: ") and logged[1] == line
    assert printed.count(line) == 1
    model = json.loads((runs.run_dir(config) / "model" / "config.json").read_text())
    assert model["tasks"]["attribute"]["classes"] == ["big", "left"]


def spoil(table: Path, row: int, column: int, value: str) -> None:
    """Write one cell of a CSV; rows are counted from 0, below the header."""
    lines = table.read_text().splitlines()
    cells = lines[row + 1].split(",")
    cells[column] = value
    lines[row + 1] = ",".join(cells)
    table.write_text("\n".join(lines) + "\n")


def copies_of_features(folder: Path, num_columns: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How often the description of all columns is copied while a folder with so many label columns is read."""
    source = runs.write_source(folder, num_train=12, num_validation=4)
    for table in (source / "train.csv", source / "val.csv"):
        head, *rows = table.read_text().splitlines()
        names = ",".join(f"label{number}" for number in range(num_columns))
        table.write_text("\n".join([f"{head},{names}", *(row + ",1" * num_columns for row in rows)]))
    path = runs.write_config(folder / "c.json", source)
    count, copy = [0], datasets.Features.copy
    with monkeypatch.context() as patch:
        patch.setattr(datasets.Features, "copy", lambda features: count.append(1) or copy(features))
        found = dataset.read_dataset(config_module.validate(config_module.read_json(path), str(path)))
    assert found.tasks["attribute"].num_outputs == len(runs.LABELS) + num_columns
    return len(count)


def test_reading_many_label_columns_copies_the_description_of_a_table_no_more_often(tmp_path, monkeypatch):
    """A copy takes time for each column, so that with a copy a column the start took the square of the columns."""
    few, many = (copies_of_features(tmp_path / str(number), number, monkeypatch) for number in (2, 40))
    assert 0 < few == many
