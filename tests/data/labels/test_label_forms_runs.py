"""A run whose labels have unusual forms, from training to a submission and an evaluation."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import real_runs as runs
import small_run

import mtl_accel
from mtl_accel import models

pytestmark = pytest.mark.slow

TASKS = {
    "animal": {"kind": "multiclass", "columns": ["cat", "dog", "bird"]},
    "size": {"kind": "multiclass", "column": "size", "classes": "sizes.json"},
    "tags": {"kind": "multilabel", "column": "tags"},
    "red": {"kind": "multilabel", "columns": ["red", "left"]},
    "red_again": {"kind": "multilabel", "columns": ["red", "left"]},
}


def row(split: str, number: int) -> dict[str, str]:
    """A row of train or validation, or one of the test split, whose labels are placeholders."""
    if split == "test":
        return {name: "?" if name in ("size", "tags") else "-1" for name in ("cat", "dog", "bird", "size", "tags")}
    animal = {name: str(int(number % 3 == index)) for index, name in enumerate(("cat", "dog", "bird"))}
    return animal | {"size": "18" if number % 2 else "3", "tags": "tags" if number % 4 else "[]"}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("forms")
    source = runs.write_source(folder / "source", num_train=24, num_validation=12)
    shutil.copy(source / "val.csv", source / "test.csv")
    shutil.copytree(source / "val", source / "test")
    (source / "sizes.json").write_text(json.dumps({"18": "large", "3": "small"}))
    for split in ("train", "val", "test"):
        with (source / f"{split}.csv").open() as file:
            rows = [old | row(split, number) for number, old in enumerate(csv.DictReader(file))]
        pd.DataFrame(rows).to_csv(source / f"{split}.csv", index=False)
    config = runs.write_config(folder / "c.json", source, tasks=TASKS, epochs=1)
    assert "test: its labels of animal, size, tags, red, red_again are not read" in runs.run(config)
    return runs.run_dir(config)


def test_the_run_and_its_model_hold_the_names(run):
    assert json.loads((run / "config.json").read_text())["tasks"]["size"]["classes"] == {"18": "large", "3": "small"}
    tasks = json.loads((run / "model" / "config.json").read_text())["tasks"]
    assert tasks["size"]["classes"] == ["small", "large"] and tasks["animal"]["classes"] == ["cat", "dog", "bird"]


def test_the_model_answers_by_its_names_and_is_evaluated_on_the_same_cells(run, tmp_path, monkeypatch, on_cpu):
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    sample = tmp_path / "sample.csv"
    names = [f"{number}.png" for number in range(12)]
    pd.DataFrame({"filename": names, "animal": "cat"}).to_csv(sample, index=False)
    mtl_accel.predict(run, tmp_path / "out", sample_submission=[f"animal={sample}"], multilabel_form="list")
    answers = pd.read_csv(tmp_path / "out" / "submission_animal.csv")
    assert list(answers) == ["filename", "animal"] and set(answers["animal"]) <= {"cat", "dog", "bird"}
    assert set(pd.read_csv(tmp_path / "out" / "submission_size.csv")["size"]) <= {"small", "large"}
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert list(table)[1:] == ["animal", "size", "tags", "red.red", "red.left", "red_again.red", "red_again.left"]
    figures = mtl_accel.evaluate(run, split="validation", output=tmp_path)
    assert {"animal/accuracy", "size/accuracy", "tags/f1_macro"} <= set(figures["metrics"])
    with pytest.raises(mtl_accel.UserError, match=r"test.csv, column 'size': a cell is none of the 2 classes"):
        mtl_accel.evaluate(run, split="test", output=tmp_path)
