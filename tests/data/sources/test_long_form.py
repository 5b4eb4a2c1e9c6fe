"""Tables with a row for each label: each image once, with the set of its labels; anything unclear is an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sources_drawn import draw, quiet_caches, write  # noqa: F401 (an autouse fixture)

from mtl_accel import config as config_module
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels import dataset, one_split

SHAPE = [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}]
TAGS = {"kind": "multilabel", "column": "tag"}
OPEN_IMAGES = {**TAGS, "confidence": "Confidence"}


def config_of(root: Path, tables: dict[str, str], tasks: dict[str, dict], **data) -> config_module.Config:
    """The config of a folder with these tables, whose images are a.png to d.png."""
    for name, text in tables.items():
        write(root / f"{name}.csv", text)
    for name in "abcd":
        draw(root / f"{name}.png")
    return config_module.validate(
        {
            "data": {"source": str(root), "cache_dir": str(root / "cache"), **data},
            "tasks": tasks,
            "optimizer": {"name": "Adam"},
            "transforms": {"train": SHAPE, "eval": SHAPE},
        },
        "c.json",
    )


def read(root: Path, train: str, tag: dict = TAGS, **data) -> tuple[dict[str, list], dataset.LabeledDataset]:
    """The labels of each image in train, where None is an unknown one."""
    config = config_of(root, {"train": train, "val": train}, {"tag": tag}, **data)
    found = dataset.read_dataset(config)
    target, mask = found.targets["train"]["tag"]
    return dict(zip(found.ids("train"), np.where(mask, target, None).tolist(), strict=True)), found


LONG = "filename,tag,site\nb.png,red,1\na.png,blue,2\nb.png,blue,1\na.png,blue,2\nc.png,red,\n"


def test_rows_with_one_label_each_are_found_and_said_in_the_log(tmp_path):
    labels, found = read(tmp_path, LONG)
    assert labels == {"b.png": [1, 1], "a.png": [1, 0], "c.png": [0, 1]} and found.tasks["tag"].classes == (
        "blue",
        "red",
    )
    assert found.notes[0] == "train.csv, val.csv: its rows are labels: 3 images of 5 rows (data.rows)"
    assert found.splits["train"].to_dict()["site"] == ["1", "2", None]


def test_the_other_columns_keep_the_row_and_the_line_of_their_image(tmp_path):
    price = {"kind": "regression", "columns": ["site"]}
    config = config_of(tmp_path, {"train": LONG.replace(",2\n", ",much\n")}, {"tag": TAGS, "price": price})
    with pytest.raises(UserError, match=r"train.csv, column 'site': .* found line 3 \(id a.png\): 'much'"):
        dataset.read_dataset(config)


def test_names_of_several_words_are_labels_where_the_config_says_long(tmp_path):
    table = 'filename,tag\na.png,long dress\na.png,"red, dark"\nb.png,\n'
    labels, found = read(tmp_path, table, rows="long")
    assert found.tasks["tag"].classes == ("long dress", "red, dark")
    assert labels == {"a.png": [1, 1], "b.png": [None, None]}


@pytest.mark.parametrize(
    "table",
    [
        "filename,tag\na.png,long dress\na.png,red\n",  # two names, or one of two words
        'filename,tag\na.png,"red,blue"\na.png,red\n',
        "filename,tag\na.png,red\na.png,red\n",  # a doubled row
        "filename,tag,site\na.png,red,1\na.png,blue,2\n",  # rows that differ in more than a label
    ],
)
def test_doubled_ids_that_need_not_be_labels_are_refused_with_the_knob(tmp_path, table):
    with pytest.raises(UserError, match=r"line 3: id 'a.png' .* or set data.rows to \"long\" if each row is one label"):
        read(tmp_path, table)


def test_a_doubled_image_of_wide_rows_is_refused_where_the_config_says_wide_or_a_delimiter(tmp_path):
    for tag, data in ((TAGS, {"rows": "wide"}), ({**TAGS, "delimiter": ";"}, {})):
        with pytest.raises(UserError, match=r"line 4: id 'b\.png'"):
            read(tmp_path, LONG, tag, **data)


def test_columns_that_differ_in_an_image_are_an_error_if_they_are_named_else_left_out_with_a_word(tmp_path):
    table = "filename,tag,site\na.png,red,1\na.png,blue,2\nb.png,red,3\n"
    labels, found = read(tmp_path, table, rows="long")
    assert labels == {"a.png": [1, 1], "b.png": [0, 1]} and "site" not in found.splits["train"].column_names
    assert found.notes[0].endswith(
        "2 images of 3 rows (data.rows); without site, which differ between the rows of an image"
    )
    price = {"kind": "regression", "columns": ["site"]}
    config = config_of(tmp_path, {"train": table}, {"tag": TAGS, "price": price}, rows="long")
    with pytest.raises(
        UserError, match=r"line 3: column 'site' holds '2', another value than the first row of the same"
    ):
        dataset.read_dataset(config)


CONFIDENT = "filename,Source,tag,Confidence\na.png,x,red,1\na.png,y,blue,0\nb.png,x,blue,1.0\nc.png,x,red,0\n"


@pytest.mark.parametrize(("absent", "blank"), [("unknown", None), ("no", 0)])
def test_a_confidence_of_0_is_a_verified_no_and_absent_labels_are_what_the_config_says(tmp_path, absent, blank):
    labels, found = read(tmp_path, CONFIDENT, {**OPEN_IMAGES, "absent": absent})
    assert labels == {"a.png": [0, 1], "b.png": [1, blank], "c.png": [blank, 0]}
    assert found.tasks["tag"].classes == ("blue", "red")


def test_the_labels_of_a_finished_model_are_read_in_the_same_way(tmp_path):
    config = config_of(tmp_path, {"train": CONFIDENT, "val": CONFIDENT}, {"tag": OPEN_IMAGES})
    found = dataset.read_dataset(config)
    table, targets, *_ = one_split.read_labeled_split(config, found.tasks, "validation")
    assert table["id"][:] == ["a.png", "b.png", "c.png"]
    for mine, theirs in zip(targets["tag"], found.targets["validation"]["tag"], strict=True):
        assert mine.tolist() == theirs.tolist()


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a.png,x,green,0.7", r"line 6: '0.7' \(column 'Confidence'\) is neither 1, .* nor 0"),
        ("a.png,x,red,0", r"line 6: label 'red' \(column 'tag'\) has confidence 0 here and 1 in another row"),
    ],
)
def test_a_confidence_that_says_neither_or_both_is_named_with_its_line(tmp_path, row, problem):
    with pytest.raises(UserError, match=problem):
        read(tmp_path, CONFIDENT + row, OPEN_IMAGES)


@pytest.mark.parametrize(
    ("tasks", "data", "problem"),
    [
        ({"it": {"kind": "multiclass", "column": "c"}}, {"rows": "long"}, 'data.rows: "long" needs a multilabel task'),
        ({"it": OPEN_IMAGES}, {"rows": "wide"}, 'data.rows: a "confidence" of a task'),
        ({"it": {"kind": "multilabel", "confidence": "c"}}, {}, "tasks.it.confidence: only with column"),
        ({"it": {**TAGS, "absent": "no"}}, {}, "tasks.it.absent: only with confidence"),
    ],
)
def test_knobs_that_do_not_go_together_are_named(tmp_path, tasks, data, problem):
    with pytest.raises(UserError, match=problem):
        config_of(tmp_path, {}, tasks, **data)


def test_images_of_a_long_test_table_are_answered_once(tmp_path):
    tables = {"train": LONG, "test": "filename,tag\nd.png,red\na.png,blue\nd.png,blue\n"}
    images, *_ = one_split.read_images(config_of(tmp_path, tables, {"tag": TAGS}), "test")
    assert images["id"][:] == ["d.png", "a.png"]
