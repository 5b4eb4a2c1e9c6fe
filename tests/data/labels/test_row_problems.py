"""What is wrong with the rows of a source is told at once: images, ids and cells, by file and line."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from sources_drawn import draw, kaggle, quiet_caches, write  # noqa: F401 (an autouse fixture)

from mtl_accel.config import Config
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels import dataset
from mtl_accel.data.labels.one_split import read_labeled_split

TASKS = {
    "category": {"kind": "multiclass", "column": "category"},
    "attribute": {"kind": "multilabel", "columns": ["a", "b"]},
}
STEPS = [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}]
HEADER = "filename,category,a,b\n"


def config_of(root: Path, **tasks) -> Config:
    transforms = {"train": STEPS, "eval": STEPS}
    changes = {"data": {"source": str(root)}, "tasks": TASKS | tasks, "transforms": transforms}
    return Config.model_validate({**changes, "optimizer": {"name": "Adam"}})


def problems_of(root: Path, **tasks) -> list[str]:
    with pytest.raises(UserError) as caught:
        dataset.read_dataset(config_of(root, **tasks))
    return caught.value.problems


def one_with(problems: list[str], *parts: str) -> str:
    (problem,) = [problem for problem in problems if all(part in problem for part in parts)]
    return problem


def test_missing_images_doubled_ids_and_wrong_cells_of_all_splits_are_told_at_once(tmp_path):
    # A blank line and a cell of two lines: a row's line is not its number.
    rows = '0.png,x,1,0\n\n1.png,"x\ny",2,0\n0.png,x,0,many\ngone.png,y,0,1\n,x,3,1\n'
    kaggle(tmp_path, HEADER + rows, "0.png", "1.png", "2.png")
    write(tmp_path / "val.csv", HEADER + "2.png,z,1,7\nlost.png,x,0,0\n")
    problems = problems_of(tmp_path)
    train, val = tmp_path / "train.csv", tmp_path / "val.csv"
    one_with(problems, f"{train}, line 6: id '0.png' (column 'filename') stands also in line 2")
    one_with(problems, f"{train}, line 8: the id (column 'filename') is empty")
    one_with(problems, f"{train}, line 7: image 'gone.png'")
    one_with(problems, f"{val}, line 3: image 'lost.png'")
    one_with(problems, f"{train}, column 'a': a cell must be 0, 1 or blank; found line 4 (id 1.png): '2', line 8: '3'")
    one_with(problems, f"{train}, column 'b': a cell must be 0, 1 or blank; found line 6 (id 0.png): 'many'")
    one_with(problems, f"{val}, column 'b': a cell must be 0, 1 or blank; found line 2 (id 2.png): '7'")
    one_with(problems, f"{val}, column 'category'", "found line 2 (id 2.png): 'z'")


def test_a_column_that_is_not_there_hides_no_wrong_cell_of_another_task(tmp_path):
    kaggle(tmp_path, HEADER + "0.png,x,2,0\ngone.png,x,0,1\n", "0.png")
    problems = problems_of(tmp_path, price={"kind": "regression", "columns": ["price"]})
    one_with(problems, "tasks.price: the training table has no column ['price']")
    one_with(problems, "line 2 (id 0.png): '2'")
    one_with(problems, "line 3: image 'gone.png'")


def test_a_wrong_cell_of_json_lines_for_all_splits_is_told_with_its_line(tmp_path):
    names = [f"{split}/{n}.png" for n in range(3) for split in ("train", "val")]
    rows = [{"file_name": name, "category": "x", "a": index // 2, "b": 0} for index, name in enumerate(names)]
    for row in rows:
        draw(tmp_path / row["file_name"])
    write(tmp_path / "metadata.jsonl", "\n".join(json.dumps(row) for row in rows) + "\n")
    found = [problem.split("; found ")[1].split(". ")[0] for problem in problems_of(tmp_path)]
    assert found == ["line 5 (id train/2.png): '2'", "line 6 (id val/2.png): '2'"]


def test_a_wrong_cell_of_a_table_without_lines_is_told_with_split_and_id(tmp_path):
    columns = {"file_name": ["0.png", "1.png"], "category": ["x", "x"], "a": [0, 2], "b": [0, 1]}
    for name in columns["file_name"]:
        draw(tmp_path / name)
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "train.parquet")
    (problem,) = problems_of(tmp_path)
    assert problem.startswith("train, column 'a': a cell must be 0, 1 or blank; found id 1.png: '2'. Correct the cells")


def test_a_split_that_is_evaluated_tells_its_images_and_cells_at_once_too(tmp_path):
    write(tmp_path / "test.csv", HEADER + "0.png,x,2,0\ngone.png,y,1,1\n")
    draw(tmp_path / "0.png")
    task = Task("attribute", "multilabel", ("a", "b"), ("a", "b"), "f1_macro")
    with pytest.raises(UserError) as caught:
        read_labeled_split(config_of(tmp_path), {"attribute": task}, "test")
    one_with(caught.value.problems, f"{tmp_path / 'test.csv'}, line 3: image 'gone.png'")
    one_with(caught.value.problems, f"{tmp_path / 'test.csv'}, column 'a'", "found line 2 (id 0.png): '2'")
