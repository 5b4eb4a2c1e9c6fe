"""Ordered classes learn beside other tasks, and every command that reads a finished model knows their order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import real_runs as runs
import small_run
import torch
from PIL import Image

import mtl_accel
from mtl_accel import models
from mtl_accel.exporting.graph import Graph
from mtl_accel.models.heads import SharedThresholds
from mtl_accel.report import write_report
from mtl_accel.runs import model_folder

pytestmark = pytest.mark.slow

SIZES = ("small", "medium", "large")
LINK = {"name": "cumulative_link", "class_weights": "balanced"}
TASKS = {
    "category": {"kind": "multiclass", "column": "category"},
    "size": {"kind": "ordinal", "column": "size", "classes": list(SIZES), "loss": LINK},
    "grade": {"kind": "ordinal", "column": "grade", "loss": {"name": "corn"}},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Shapes with a size and a grade from -1 to 10, which follow from what is drawn."""
    folder = runs.write_source(tmp_path_factory.mktemp("source"), num_train=160, num_validation=64)
    for split in ("train", "val"):
        table = pd.read_csv(folder / f"{split}.csv")
        rank = (table["red"] + table["big"]).astype("Int64")
        table["size"] = rank.map(dict(enumerate(SIZES)))
        table["grade"] = rank.map({0: "-1", 1: "2.0", 2: "10"}).fillna("NA")
        table.to_csv(folder / f"{split}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, source) -> Path:
    folder = tmp_path_factory.mktemp("run")
    options = {"epochs": 12, "scheduler": None, "optimizer": {"name": "AdamW", "lr": 0.01}, "tasks": TASKS}
    config = mtl_accel.read_config(runs.write_config(folder / "c.json", source, **options))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setitem(models.MODELS, "small", small_run.Small)
        return mtl_accel.train(config).run_dir


@pytest.fixture(scope="module")
def best(run_dir) -> dict[str, float]:
    return json.loads((run_dir / "log.jsonl").read_text().splitlines()[-1])["best"]


def test_both_models_learn_the_order(best):
    for task in ("size", "grade"):
        assert best[f"{task}/quadratic_kappa"] > 0.3
        assert best[f"{task}/mae"] < 0.6


def test_numbers_have_their_own_order_and_the_log_says_it(run_dir):
    log = (run_dir / "log.txt").read_text()
    assert "grade: the order of the classes is -1 < 2 < 10" in log and "grade: read as missing: NA (" in log
    description = model_folder.read_description(run_dir / "model")
    assert description.tasks["grade"].classes == ("-1", "2", "10")
    assert description.tasks["size"].classes == SIZES
    assert [task.link for task in description.tasks.values()] == [None, "cumulative", "conditional"]


def test_thresholds_of_the_cumulative_link_are_those_of_all_images_and_rise(run_dir, source):
    predictor = mtl_accel.load(run_dir)
    head = predictor.model.heads["size"]
    assert isinstance(head, SharedThresholds)
    pictures = [source / "val" / f"{index}.png" for index in range(8)]
    table = predictor.predict(pictures, probabilities=True)
    exceeded = np.stack([table["size/medium"] + table["size/large"], table["size/large"]], axis=1)
    logits = np.log(exceeded / (1 - exceeded))
    distance = logits[:, 0] - logits[:, 1]
    assert distance == pytest.approx(np.full(8, distance[0]), rel=1e-6) and distance[0] > 0


def test_predictions_are_the_medians_of_the_probabilities_and_an_export_has_the_same(run_dir, source):
    pictures = [source / "val" / f"{index}.png" for index in range(8)]
    predictor = mtl_accel.load(run_dir)
    table = predictor.predict(pictures, probabilities=True)
    graph = Graph(predictor.model, model_folder.read_description(run_dir / "model"))
    images = torch.from_numpy(np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in pictures]))
    with torch.no_grad():
        exported = graph(images)
    for task, names in (("size", SIZES), ("grade", ("-1", "2", "10"))):
        probabilities = table[[f"{task}/{name}" for name in names]].to_numpy()
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(8)) and (probabilities >= 0).all()
        assert exported[task].numpy() == pytest.approx(probabilities, abs=1e-5)
        medians = (probabilities.cumsum(axis=1) < 0.5).sum(axis=1)
        assert table[task].tolist() == [names[rank] for rank in medians]


def test_files_of_predictions_name_the_classes(run_dir, tmp_path):
    mtl_accel.predict(run_dir, tmp_path, split="validation", probabilities=True)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    assert set(table["size"]) <= set(SIZES) and set(table["grade"]) <= {"-1", "2", "10"}
    assert "size/medium" in table and "grade/10" in table
    assert pd.read_csv(tmp_path / "submission_size.csv").columns.tolist() == ["filename", "size"]


def test_figures_of_an_evaluation_and_of_the_report_are_those_of_training(run_dir, best, tmp_path):
    evaluation = mtl_accel.evaluate(run_dir)
    for task in ("size", "grade"):
        for name in ("quadratic_kappa", "accuracy", "mae", "loss"):
            assert evaluation["metrics"][f"{task}/{name}"]["value"] == pytest.approx(best[f"{task}/{name}"], rel=1e-4)
        section = evaluation["tasks"][task]
        assert section["kind"] == "ordinal" and "median" in section["per_label"][0]
        counts = np.array(section["confusion"]["counts"])
        assert counts.shape == (3, 3) and counts.trace() / counts.sum() == pytest.approx(best[f"{task}/accuracy"])
    page = write_report([run_dir], tmp_path / "report.html")
    text = page.with_suffix(".md").read_text()
    assert "Each class of size" in text and "Size quadratic kappa" in text
    assert "Data or machine are not those of the run" not in text
