"""Class names from a file: read once, so that the config of the run holds the names themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from mtl_accel import config as config_module
from mtl_accel.config.sections.tasks import TaskConfig, task_problems
from mtl_accel.core.errors import UserError

SHAPE = [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}]


def classes_of(source: Path, classes: object, kind: str = "multiclass") -> object:
    """The classes of the only task of a config."""
    raw = {
        "data": {"source": str(source)},
        "tasks": {"it": {"kind": kind, "column": "label", "classes": classes}},
        "optimizer": {"name": "Adam"},
        "transforms": {"train": SHAPE, "eval": SHAPE},
    }
    config = config_module.validate(raw, "c.json")
    saved = config_module.validate(config.model_dump(mode="json", by_alias=True), "saved.json")
    assert saved == config  # without the file
    return config.tasks["it"].classes


@pytest.mark.parametrize("kind", ["multiclass", "multilabel"])
@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("classes.txt", "\ufeffcat\n dog \n\n", ("cat", "dog")),
        ("classes.json", '["cat", "dog"]', ("cat", "dog")),
        ("classes.json", '{"0": "cat", "17": "dog"}', {"0": "cat", "17": "dog"}),
        ("classes.csv", "index,name\n0,cat\n17,dog\n", {"0": "cat", "17": "dog"}),
        ("CLASSES.CSV", '0,"cat, small"\n17,dog', {"0": "cat, small", "17": "dog"}),
    ],
)
def test_names_and_names_by_index_are_read_from_files_beside_the_data(tmp_path, name, text, expected, kind):
    (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "train.csv").touch()
    for source in (tmp_path, tmp_path / "train.csv"):
        assert classes_of(source, name, kind) == expected
    assert classes_of(Path("wardrobe"), str(tmp_path / name), kind) == expected


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("missing.txt", None, "tasks.it.classes: .*missing.txt: .*No such file"),
        ("cat", None, "tasks.it.classes: 'cat' is neither a list of names nor a .txt, .json or .csv"),
        ("a.txt", "cat\ncat\n", r"a.txt: \['cat'\] stand twice"),
        ("a.json", '{"0": "cat", "1": "cat"}', r"a.json: \['cat'\] stand twice"),
        ("a.json", '{"0": ["n01440764", "tench"]}', "a.json: must hold a list of names, or names by their indexes"),
        ("a.json", "[", "a.json: not valid JSON"),
        ("a.csv", "0,cat\n1\n", "a.csv, line 2: must hold two cells"),
        ("a.csv", "0,cat\n0,dog\n", "a.csv, line 2: its index stands in an earlier line"),
    ],
)
def test_a_file_that_holds_no_classes_is_named(tmp_path, name, text, problem):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=problem) as caught:
        classes_of(tmp_path, name)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("value", [3, [1], {"0": 1}])
def test_another_value_is_told_by_one_message(tmp_path, value):
    with pytest.raises(UserError, match=r"tasks\.it\.classes: must be null, a list of names") as caught:
        classes_of(tmp_path, value)
    assert len(caught.value.problems) == 1


def test_a_file_may_be_given_on_the_command_line(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    raw = {
        "data": {"source": str(tmp_path)},
        "tasks": {"it": {"kind": "multiclass", "column": "label"}},
        "optimizer": {"name": "Adam"},
        "transforms": {"train": SHAPE, "eval": SHAPE},
    }
    (tmp_path / "c.json").write_text(json.dumps(raw))
    config = config_module.read_config(tmp_path / "c.json", {"tasks.it.classes": "classes.txt"})
    assert config.tasks["it"].classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ({"kind": "multilabel", "columns": ["a", "b", "a"]}, "tasks.it.columns: ['a'] stand twice; keep one of each"),
        ({"kind": "regression", "columns": ["a", "a"]}, "tasks.it.columns: ['a'] stand twice; keep one of each"),
        ({"kind": "multiclass", "columns": ["a", "b", "a"]}, "tasks.it.columns: ['a'] stand twice; keep one of each"),
        ({"kind": "multiclass", "column": "a", "columns": ["a", "b"]}, "tasks.it: give either columns or column"),
        ({"kind": "multiclass"}, "tasks.it: give column, that of the class, or columns of 0 and 1, one for each class"),
        ({"kind": "multiclass", "columns": ["a", "b"], "classes": ["x", "y"]}, "tasks.it.classes: only with column"),
        ({"kind": "multiclass", "column": "a", "classes": {"0": "x", "1": "x"}}, "tasks.it.classes: ['x'] stand twice"),
    ],
)
def test_columns_and_classes_that_do_not_go_together_are_named(task, problem):
    (found,) = task_problems("it", TypeAdapter(TaskConfig).validate_python(task))
    assert found.startswith(problem)
