"""Names of columns are found where they differ in case and spaces alone, and image columns where their cells tell."""

from __future__ import annotations

import pytest
from sources_drawn import draw, kaggle, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.config import read_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.data.labels.one_split import read_labeled_split

TABLE = "Photo,Key ,Kind,bald,Fold\n0.png,a,x,1,0\n1.png,b,y,0,1\n2.png,c,x,1,0\n3.png,d,y,0,1\n"
IMAGES = [f"{image}.png" for image in range(4)]
TASKS = {
    "kind": {"kind": "multiclass", "column": "kind"},
    "face": {"kind": "multilabel", "columns": ["BALD"]},
}


def _config(root, **overrides):
    given = {"data.source": str(root), "data.cache_dir": str(root / "cache"), "tasks": TASKS, **overrides}
    return read_config("configs/quickstart.json", given)


def test_every_configured_name_is_found_without_case_and_spaces_with_one_line_each(tmp_path):
    kaggle(tmp_path, TABLE, *IMAGES)
    names = {"image_column": "photo", "id_column": "key", "group_column": None, "fold_column": "FOLD", "fold": 1}
    labelled = read_dataset(_config(tmp_path, **{f"data.{knob}": name for knob, name in names.items()}))
    assert labelled.held_out == ("b", "d") and labelled.tasks["face"].columns == ("BALD",)
    assert labelled.targets["train"]["face"].target.tolist() == [[1], [1]]
    for column, name in {"Photo": "photo", "Key": "key", "Fold": "FOLD", "Kind": "kind", "bald": "BALD"}.items():
        note = f"train.csv: its column {column!r} is read as {name!r}, the same but for case or spaces"
        assert labelled.notes.count(note) == 1


def test_an_exact_name_comes_first_and_two_that_are_alike_are_an_error(tmp_path):
    kaggle(tmp_path, "image,Set,SET,b\n0.png,train,x,0\n1.png,test,y,1\n", *IMAGES)
    assert list(load_source(tmp_path, split_column="Set").splits) == ["train", "test"]
    message = problems(tmp_path, split_column="set")
    assert "train.csv: the column 'set' may be 'SET' or 'Set'. Name one exactly" in message


def test_later_splits_follow_the_names_of_the_first_one(tmp_path):
    write(tmp_path / "val.csv", "FILENAME, Bald\n3.png,1\n2.png,0\n")
    kaggle(tmp_path, "filename,bald\n0.png,1\n1.png,0\n", *IMAGES)
    config = _config(tmp_path, tasks={"face": {"kind": "multilabel"}})
    labelled = read_dataset(config)
    assert labelled.targets["validation"]["face"].target.tolist() == [[1], [0]]
    assert "val.csv: its column 'Bald' is read as 'bald', the same but for case or spaces" in labelled.notes
    (tmp_path / "val.csv").rename(tmp_path / "test.csv")
    targets = read_labeled_split(config, labelled.tasks, "test")[1]
    assert targets["face"].mask.all() and targets["face"].target.tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        ({"data.image_column": "phooto"}, "data.image_column: .* has no column 'phooto'.*; did you mean 'Photo'"),
        ({"data.id_column": "keys"}, "data.id_column: .*; did you mean 'Key'"),
        ({"data.split_column": "flod"}, "data.split_column: .*; did you mean 'Fold'"),
        ({"data.group_column": "flod"}, "data.group_column: .*; did you mean 'Fold'"),
        ({"data.fold_column": "flod", "data.fold": 1}, "data.fold_column: .*; did you mean 'Fold'"),
        (
            {"tasks": {"kind": {"kind": "multiclass", "column": "knid"}}},
            r"tasks.kind: .*\['knid'\].*did you mean 'Kind'",
        ),
    ],
)
def test_a_name_that_no_column_has_is_an_error_with_the_one_that_was_meant(overrides, hint, tmp_path):
    kaggle(tmp_path, TABLE, *IMAGES)
    with pytest.raises(UserError, match=hint):
        read_dataset(_config(tmp_path, **overrides))


@pytest.mark.parametrize("options", [{}, {"image_column": "filename"}])
def test_another_image_column_of_the_test_table_is_used_if_its_cells_lead_to_files(options, tmp_path):
    kaggle(tmp_path, "filename,label\n0.png,x\n1.png,y\n", *IMAGES)
    write(tmp_path / "test.csv", "note,id\nq,2\nr,3\n")
    source = load_source(tmp_path, **options)
    assert source.splits["test"]["id"][:] == ["2", "3"] and source.splits["test"]["image"][0]["path"].endswith("2.png")
    note = "test.csv: its column 'id' holds the images, as 'filename' does in the training table"
    assert note in source.notes
    only = load_source(tmp_path, only="test", image_column="filename")
    assert only.splits["test"]["image"][0]["path"].endswith("2.png") and note in only.notes


@pytest.mark.parametrize("options", [{}, {"id_column": "id"}])
def test_an_id_column_that_also_leads_to_the_images_stays_the_id(options, tmp_path):
    kaggle(tmp_path, "id,filename,label\na,0.png,x\nb,1.png,y\n", *IMAGES)
    write(tmp_path / "test.csv", "id\n2.png\n3.png\n")
    source = load_source(tmp_path, **options)
    assert source.splits["test"]["id"][:] == ["2.png", "3.png"]
    assert source.splits["test"]["image"][1]["path"].endswith("3.png")


@pytest.mark.parametrize(
    ("table", "rule"),
    [
        ("id,label\n2.png,x\ngone.png,y\n", "and no other column leads to files. It has: id, label. Give every"),
        ("id,path\n2.png,2.png\n3.png,3.png\n", "and 'id' and 'path' both lead to files"),
    ],
)
def test_another_image_column_that_is_not_certain_is_an_error_that_names_both(table, rule, tmp_path):
    kaggle(tmp_path, "filename,label\n0.png,x\n1.png,y\n", *IMAGES)
    write(tmp_path / "test.csv", table)
    message = problems(tmp_path)
    assert "test.csv, split test: no column 'filename', which other splits have for the images" in message
    assert rule in message
