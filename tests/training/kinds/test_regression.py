"""A regression in any unit learns beside the other tasks, and its metrics and predictions are in that unit."""

from __future__ import annotations

import csv
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
from mtl_accel.core.errors import UserError
from mtl_accel.exporting.graph import Graph
from mtl_accel.runs import manifest, model_folder

pytestmark = pytest.mark.slow

PRICE, RED, BIG = 250_000, 120_000, 60_000
TASKS = {
    "category": {"kind": "multiclass", "column": "category"},
    "attribute": {"kind": "multilabel", "columns": list(runs.LABELS)},
    "price": {"kind": "regression", "columns": ["price"]},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Shapes with a price that follows from what is drawn, in a unit of its own."""
    folder = runs.write_source(tmp_path_factory.mktemp("source"), num_train=160, num_validation=64)
    for split in ("train", "val"):
        table = pd.read_csv(folder / f"{split}.csv")
        price = PRICE + RED * table["red"].fillna(0) + BIG * table["big"]
        price[table["red"].isna()] = np.nan
        table.assign(price=price).to_csv(folder / f"{split}.csv", index=False, quoting=csv.QUOTE_MINIMAL)
    return folder


def config_of(folder: Path, source: Path, **changes) -> mtl_accel.Config:
    options = {"tasks": TASKS, "epochs": 12, "scheduler": None, "optimizer": {"name": "AdamW", "lr": 0.01}}
    return mtl_accel.read_config(runs.write_config(folder / "c.json", source, **(options | changes)))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory, source) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ACCELERATE_USE_CPU", "true")
        patch.setitem(models.MODELS, "small", small_run.Small)
        return mtl_accel.train(config_of(tmp_path_factory.mktemp("run"), source)).run_dir


def best_of(run_dir: Path) -> dict[str, float]:
    return json.loads((run_dir / "log.jsonl").read_text().splitlines()[-1])["best"]


def test_prices_of_hundreds_of_thousands_are_learnt_in_a_few_epochs(run_dir):
    values = best_of(run_dir)
    assert values["price/r2"] > 0.3
    assert 1_000 < values["price/mae"] < RED / 2, "in the unit of the column"
    assert values["price/loss"] < 1, "in standard deviations"


def test_the_log_says_what_the_network_learns(run_dir):
    assert "price: learns the standardised value of price (mean " in (run_dir / "log.txt").read_text()


def test_predictions_and_exports_are_in_the_unit_of_the_column(run_dir, source):
    pictures = [source / "val" / f"{index}.png" for index in range(8)]
    predictor = mtl_accel.load(run_dir)
    predicted = predictor.predict(pictures)["price"].to_numpy(np.float64)
    assert (predicted > PRICE / 2).all() and predicted.std() > 1_000
    description = model_folder.read_description(run_dir / "model")
    graph = Graph(predictor.model, description)
    images = torch.from_numpy(np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in pictures]))
    with torch.no_grad():
        assert graph(images)["price"][:, 0].double().numpy() == pytest.approx(predicted, rel=1e-4)


def test_metrics_of_an_evaluation_are_those_of_training(run_dir):
    best = best_of(run_dir)
    figures = mtl_accel.evaluate(run_dir)["metrics"]
    for name in ("price/r2", "price/mae", "price/loss"):
        assert figures[name]["value"] == pytest.approx(best[name], rel=1e-4)


def test_a_logarithm_is_undone_too(source, tmp_path):
    tasks = TASKS | {"price": TASKS["price"] | {"log1p": True}}
    result = mtl_accel.train(config_of(tmp_path, source, tasks=tasks))
    assert result.best["price/r2"] > 0
    assert mtl_accel.load(result.run_dir).predict([source / "val" / "0.png"])["price"][0] > PRICE / 2


def test_a_run_of_a_version_without_the_scale_resumes_as_it_was_and_not_otherwise(source, tmp_path):
    """Its config.json and checkpoint lack the knob, and then the network's outputs are the values themselves."""
    tasks = TASKS | {"price": TASKS["price"] | {"standardise": False, "primary_metric": "mae"}}
    config = config_of(tmp_path, source, tasks=tasks, epochs=1)
    mtl_accel.train(config)
    run_dir = Path(config.run_dir)
    for path in [run_dir / "config.json", *(run_dir / "checkpoints").glob("step-*/state.json")]:
        content = json.loads(path.read_text())
        saved = content.get("config", content)
        del saved["tasks"]["price"]["standardise"], saved["tasks"]["price"]["log1p"]
        saved["tasks"]["price"]["primary_metric"] = None
        path.write_text(json.dumps(content))
        if path.name == "state.json":
            (path.parent / manifest.NAME).unlink()
            manifest.write(path.parent)
    assert mtl_accel.evaluate(run_dir)["metrics"]["price/mae"]["value"] > PRICE / 2
    changes = {"epochs": 2, "run_dir": str(tmp_path / "longer")}
    same = mtl_accel.train(config.model_copy(update=changes), resume=str(run_dir), allow_changes=True)
    assert same.status == "finished" and "price/mae" in same.best
    changed = config.model_copy(
        update={**changes, "run_dir": str(tmp_path / "changed"), "tasks": config_of(tmp_path, source).tasks}
    )
    with pytest.raises(UserError, match=r"tasks\.price\.standardise: is true, and was false"):
        mtl_accel.train(changed, resume=str(run_dir))
    with pytest.raises(
        UserError, match=r"tasks\.price\.standardise: the network in .* learned values of another scale"
    ):
        mtl_accel.train(changed, resume=str(run_dir), allow_changes=True)
