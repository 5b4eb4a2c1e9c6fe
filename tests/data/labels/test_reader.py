"""Labels: classes have one order, a blank is masked and never 0, and every wrong cell is named at once."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import pytest
from pydantic import TypeAdapter
from sources_drawn import draw, quiet_caches, write  # noqa: F401 (an autouse fixture)

from mtl_accel.config import Config
from mtl_accel.config.sections.tasks import TaskConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels import dataset
from mtl_accel.data.labels.cells import sort_class_names
from mtl_accel.data.labels.reader import LabelReader

SIZE = {"name": "Resize", "size": [8, 8]}
TRANSFORMS = {"train": [SIZE, {"name": "Normalize"}], "eval": [SIZE, {"name": "Normalize"}]}
COLOUR = {"kind": "multiclass", "column": "colour"}
TAGS = {"kind": "multilabel", "column": "tags", "delimiter": ";"}


def split(**columns) -> datasets.Dataset:
    count = len(next(iter(columns.values())))
    return datasets.Dataset.from_dict({"id": [f"{row}.png" for row in range(count)], **columns})


def read(config: dict, train: dict, **others: dict):
    """A task "it" of that config, its targets by split, and the problems of the cells."""
    splits = {name: split(**columns) for name, columns in ({"train": train} | others).items()}
    reader = LabelReader(splits, {"id", "image"})
    task = reader.find_tasks({"it": TypeAdapter(TaskConfig).validate_python(config)})["it"]
    return task, {name: reader.read_targets(task, name) for name in splits}, reader.problems


@pytest.mark.parametrize(
    ("cells", "classes", "target"),
    [
        (["red", "blue", "red", None, ""], ("blue", "red"), [1, 0, 1, 0, 0]),
        ([10, 9, 10, None, None], ("9", "10"), [1, 0, 1, 0, 0]),
        ([10.0, 9.0, 10.0, float("nan"), None], ("9", "10"), [1, 0, 1, 0, 0]),
        (["10", "9", "10", "", None], ("9", "10"), [1, 0, 1, 0, 0]),
        (["001", "NA", "001", "", None], ("001", "NA"), [0, 1, 0, 0, 0]),
    ],
)
def test_a_class_is_its_text_sorted_and_a_blank_is_masked(cells, classes, target):
    task, targets, problems = read(COLOUR, {"colour": cells})
    assert task.classes == classes and not problems
    assert targets["train"].target.dtype == np.int64
    assert targets["train"].target.tolist() == target
    assert targets["train"].mask.tolist() == [True, True, True, False, False]


def test_class_order_is_never_that_of_appearance():
    orders = {read(COLOUR, {"colour": cells})[0].classes for cells in (["b", "a", "c"], ["c", "b", "a"])}
    assert orders == {("a", "b", "c")}
    assert sort_class_names({"2", "10", "1", "01"}) == ("01", "1", "2", "10")


def test_declared_classes_keep_their_order_and_may_be_absent_from_the_data():
    declared = COLOUR | {"classes": ["red", "green", "blue"]}
    task, targets, problems = read(declared, {"colour": ["blue", "red"]})
    assert task.classes == ("red", "green", "blue") and not problems
    assert targets["train"].target.tolist() == [2, 0]


def test_an_unknown_class_in_validation_is_named_with_its_sample():
    _, targets, problems = read(COLOUR, {"colour": ["a", "b"]}, validation={"colour": ["a", "x", "b", "y"]})
    (problem,) = problems
    assert "validation, column 'colour'" in problem and "id 1.png: 'x', id 3.png: 'y'" in problem
    assert "2 classes of the training split or of tasks.it.classes" in problem
    assert targets["validation"].mask.tolist() == [True, False, True, False]


def test_only_the_first_samples_of_a_problem_are_named():
    (problem,) = read(COLOUR, {"colour": ["a"]}, validation={"colour": ["x"] * 9})[2]
    assert problem.count("id ") == 5 and "and 4 more rows" in problem


def test_a_test_split_without_labels_is_all_masked():
    _, targets, problems = read(COLOUR, {"colour": ["a", "b"]}, test={"other": [1, 2, 3]})
    assert not problems and not targets["test"].mask.any() and len(targets["test"].target) == 3


@pytest.mark.parametrize("one, zero", [(1, 0), (1.0, 0.0), ("1", "0"), (True, False), ("True", "False")])
def test_zero_one_columns_are_labels_in_their_order(one, zero):
    config = {"kind": "multilabel", "columns": ["zip", "belt"]}
    task, targets, problems = read(config, {"belt": [one, None, zero], "zip": [zero, one, None]})
    assert task.classes == ("zip", "belt") and not problems
    assert targets["train"].target.tolist() == [[0, 1], [1, 0], [0, 0]]
    assert targets["train"].mask.tolist() == [[True, True], [True, False], [False, True]]


@pytest.mark.parametrize(
    ("config", "cells"),
    [
        ({"kind": "multilabel", "column": "tags"}, [["b", "a"], ["c"], [], None, [" a "]]),
        (TAGS, ["b; a", "c", ";", None, " a ;;"]),
        ({"kind": "multilabel", "column": "tags"}, ["b a", "c", None, "", "a"]),
    ],
)
def test_a_column_of_label_sets(config, cells):
    task, targets, problems = read(config, {"tags": cells})
    assert task.classes == ("a", "b", "c") and not problems
    assert targets["train"].target.tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [1, 0, 0]]
    blank = [cell in (None, "") for cell in cells]
    assert targets["train"].mask.tolist() == [[not none] * 3 for none in blank]


def test_lists_of_one_length_and_of_integers_are_label_sets_too():
    feature = datasets.Features({"id": datasets.Value("string"), "tags": datasets.List(datasets.Value("int64"), 2)})
    table = datasets.Dataset.from_dict({"id": ["0", "1"], "tags": [[2, 10], [2, 2]]}, features=feature)
    reader = LabelReader({"train": table}, {"id"})
    config = {"it": TypeAdapter(TaskConfig).validate_python({"kind": "multilabel", "column": "tags"})}
    task = reader.find_tasks(config)["it"]
    assert task.classes == ("2", "10")
    assert reader.read_targets(task, "train").target.tolist() == [[1, 1], [1, 0]]


def test_an_unknown_label_in_validation_is_named_with_its_sample():
    (problem,) = read(TAGS, {"tags": ["a;b"]}, validation={"tags": ["a", "a;x"]})[2]
    assert "id 1.png: 'a;x'" in problem and "2 of the training split or of tasks.it.classes" in problem


def test_columns_left_over_are_exactly_those_of_zeros_ones_and_blanks():
    columns = {
        "zip": ["0", "1", None],
        "price": ["0", "1", "2"],
        "belt": [1, 0, 1],
        "empty": [None, None, None],
        "note": ["x", None, "y"],
        "many": [[0], [1], [1]],
        "dots": [0.0, 1.0, None],
        "half": [0.0, 0.5, 1.0],
        "image": [0, 1, 0],
        "other": [1, 1, 0],
    }
    reader = LabelReader({"train": split(**columns)}, {"id", "image"})
    adapter = TypeAdapter(TaskConfig)
    configs = {"it": {"kind": "multilabel"}, "left": {"kind": "multiclass", "column": "other"}}
    tasks = reader.find_tasks({name: adapter.validate_python(config) for name, config in configs.items()})
    assert tasks["it"].classes == ("zip", "belt", "dots")


def test_regression_reads_finite_numbers_and_masks_blanks():
    config = {"kind": "regression", "columns": ["price", "size"]}
    _, targets, problems = read(config, {"price": ["1.5", "", "-2e3"], "size": [1, None, 3]})
    assert not problems and targets["train"].target.dtype == np.float32
    assert targets["train"].target.tolist() == [[1.5, 1], [0, 0], [-2000, 3]]
    assert targets["train"].mask.tolist() == [[True, True], [False, False], [True, True]]


@pytest.mark.parametrize("cell", ["much", "inf", "1e300", "1,000"])
def test_a_number_that_float32_cannot_hold_is_named(cell):
    (problem,) = read({"kind": "regression", "columns": ["price"]}, {"price": ["1", cell]})[2]
    assert f"id 1.png: {cell!r}" in problem and "must be a finite number or blank" in problem


def test_columns_that_are_not_there_are_told_with_those_that_are():
    reader = LabelReader({"train": split(price=[0.5, 2.0])}, {"id"})
    adapter = TypeAdapter(TaskConfig)
    configs = {"a": COLOUR, "b": {"kind": "multilabel"}, "c": {"kind": "multilabel", "columns": []}}
    assert reader.find_tasks({name: adapter.validate_python(config) for name, config in configs.items()}) == {}
    first, second, third = reader.problems
    assert "tasks.a" in first and "['colour']" in first and "it has: price" in first
    assert "tasks.b.columns" in second and "price" in second
    assert "tasks.c.columns: the list is empty" in third


def config_of(root: Path, **tasks) -> Config:
    return Config.model_validate(
        {"data": {"source": str(root)}, "tasks": tasks, "transforms": TRANSFORMS, "optimizer": {"name": "Adam"}}
    )


def make_folder(root: Path, header: str, train: list[str], validation: list[str] | None = None) -> Path:
    for name, rows in (("train", train), ("val", validation)):
        if rows is not None:
            write(root / f"{name}.csv", "\n".join([header, *(f"{i}.png,{row}" for i, row in enumerate(rows))]) + "\n")
            for index in range(len(rows)):
                draw(root / name / f"{index}.png")
    return root


def test_all_problems_of_all_splits_and_tasks_are_told_at_once(tmp_path):
    root = make_folder(tmp_path, "file_name,colour,zip,price", ["001,0,", "NA,2,"], ["002,1,1", "NA,x,many"])
    multilabel = {"kind": "multilabel", "columns": ["zip"]}
    config = config_of(root, it=COLOUR, zips=multilabel, cost={"kind": "regression", "columns": ["price"]})
    with pytest.raises(UserError) as caught:
        dataset.read_dataset(config)
    text = str(caught.value)
    cells = {"zip": ("1.png): '2'", "1.png): 'x'"), "colour": ("0.png): '002'",), "price": ("1.png): 'many'",)}
    for column, parts in cells.items():
        assert f"train.csv, column '{column}'" in text or f"val.csv, column '{column}'" in text
        assert all(part in text for part in parts)
    assert "tasks.cost: no row of the training split has a label" in text
    assert len(caught.value.problems) == 5


def test_a_task_without_a_label_in_validation_cannot_choose_the_best_epoch(tmp_path):
    root = make_folder(tmp_path, "file_name,colour,zip", ["a,0", "b,1"], ["a,", "b,"])
    with pytest.raises(UserError, match=r"select_by: 'mean' .*validation split .* tasks\.zips"):
        dataset.read_dataset(config_of(root, it=COLOUR, zips={"kind": "multilabel", "columns": ["zip"]}))


def test_labels_without_a_1_in_validation_cannot_choose_the_best_epoch_by_average_precision(tmp_path):
    root = make_folder(tmp_path, "file_name,colour,zip", ["a,0", "b,1"], ["a,0", "b,"])
    zips = {"kind": "multilabel", "columns": ["zip"]}
    assert dataset.read_dataset(config_of(root, it=COLOUR, zips=zips))
    with pytest.raises(UserError, match=r"select_by: 'mean' .* has a 1 for tasks\.zips"):
        dataset.read_dataset(config_of(root, it=COLOUR, zips=zips | {"primary_metric": "map"}))


def held_out(root: Path, rows: list[str], seed: int = 0) -> dataset.LabeledDataset:
    config = config_of(make_folder(root, "file_name,colour,zip", rows), it=COLOUR, zips={"kind": "multilabel"})
    data = config.data.model_copy(update={"validation_fraction": 0.25, "split_seed": seed})
    return dataset.read_dataset(config.model_copy(update={"data": data}))


def test_a_hold_out_is_stratified_seeded_whole_and_known_by_its_ids(tmp_path):
    rows = ["001,1"] * 24 + ["NA,0"] * 12 + ["NA,"] * 4
    found = held_out(tmp_path, rows)
    validation, train = found.ids("validation"), found.ids("train")
    assert found.held_out == tuple(validation) and len(validation) == 10
    assert sorted(validation + train) == sorted(f"{index}.png" for index in range(40))
    assert np.bincount(found.targets["validation"]["it"].target).tolist() == [6, 4]
    assert found.targets["validation"]["zips"].mask.sum() == 9
    for name in ("train", "validation"):
        cells = [rows[int(i.partition(".")[0])] for i in found.ids(name)]
        assert found.targets[name]["it"].target.tolist() == [int(cell.startswith("NA")) for cell in cells]
    assert held_out(tmp_path, rows).held_out == found.held_out
    assert held_out(tmp_path, rows, seed=1).held_out != found.held_out


def test_a_hold_out_does_not_depend_on_the_order_of_the_rows(tmp_path):
    found = held_out(tmp_path, ["a,1"] * 15 + ["b,0"] * 15)
    lines = (tmp_path / "train.csv").read_text().splitlines()
    write(tmp_path / "train.csv", "\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    config = config_of(tmp_path, it=COLOUR, zips={"kind": "multilabel"})
    data = config.data.model_copy(update={"validation_fraction": 0.25})
    assert set(dataset.read_dataset(config.model_copy(update={"data": data})).held_out) == set(found.held_out)
