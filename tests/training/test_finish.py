"""At the end of a run its thresholds are fitted on the best epoch's validation, whatever happened in between."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import real_runs as runs
import torch

from mtl_accel.config import read_config
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.runs import checkpoint, model_folder
from mtl_accel.training import finish


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=33)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, source) -> tuple[Path, str]:
    """A config that ran, and what the run printed."""
    config = runs.write_config(tmp_path_factory.mktemp("run") / "c.json", source)
    return config, runs.run(config)


def end_and_thresholds(config: Path) -> tuple[dict, list[float]]:
    """What the end of a run says, and the thresholds of its model."""
    return runs.end_of(config), model_folder.read_description(runs.run_dir(config) / "model").thresholds[
        "attribute"
    ].tolist()


def test_the_model_has_the_thresholds_that_fit_the_best_epoch(trained, source):
    config, _ = trained
    labelled = read_dataset(read_config(config))
    folder = runs.run_dir(config)
    group = checkpoint.load(folder / "checkpoints" / "best").tensors["validation"]
    for task, (target, mask) in labelled.targets["validation"].items():
        assert np.array_equal(group[f"{task}.target"], target)
        assert np.array_equal(group[f"{task}.mask"], mask)
    fitted, figures = finish.fit_thresholds(group["logits"], labelled.targets["validation"], labelled.tasks, seed=0)
    assert np.array_equal(fitted["attribute"], model_folder.read_description(folder / "model").thresholds["attribute"])
    assert runs.end_of(config)["fitted"] == figures


def test_the_two_f1_stand_beside_each_other_under_names_of_their_own(trained):
    config, printed = trained
    end = runs.end_of(config)
    at_half, honest = end["best"]["attribute/f1_macro"], end["fitted"]["attribute/f1_macro_cross_fitted"]
    line = (
        f"Val F1 (Attribute) of the best epoch: {at_half:.6f} at threshold 0.5, "
        f"{honest:.6f} with fitted thresholds (cross-fitted over 5 folds)"
    )
    assert line in printed.splitlines()
    assert line in (runs.run_dir(config) / "log.txt").read_text().splitlines()
    assert set(end["fitted"]) == {f"attribute/f1_{mean}_cross_fitted" for mean in ("macro", "micro", "samples")}
    assert set(end["best"]) & set(end["fitted"]) == set()


def test_thresholds_survive_a_restart_after_the_best_epoch(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, epochs=4, optimizer={"name": "SGD", "lr": 1e-9})
    runs.run(config)
    whole = end_and_thresholds(config)
    assert whole[0]["best_epoch"] < 4
    # As a kill in the last epoch leaves it.
    folder = runs.run_dir(config)
    shutil.rmtree(sorted((folder / "checkpoints").glob("step-*"))[-1])
    shutil.rmtree(folder / "model")
    (folder / "status.json").write_text('{"status": "running"}')
    runs.run(config)
    assert end_and_thresholds(config) == whole


def test_two_processes_fit_the_thresholds_of_one(trained, source, tmp_path):
    config, _ = trained
    other = runs.write_config(tmp_path / "c.json", source)
    runs.run(other, processes=2)
    assert end_and_thresholds(other) == end_and_thresholds(config)


def test_a_run_without_its_best_checkpoint_says_so(trained, source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source)
    folder = Path(shutil.copytree(runs.run_dir(trained[0]), runs.run_dir(config), symlinks=True))
    shutil.rmtree(folder / "model")
    (folder / "status.json").write_text('{"status": "running"}')
    (folder / "checkpoints" / "best").unlink()
    code, output = runs.finish(runs.start(config))
    assert code == 2
    assert f"error: {folder / 'checkpoints' / 'best'}: the best epoch's checkpoint" in output
    assert "Traceback" not in output
    assert not (folder / "model").exists()


def test_a_task_without_labels_keeps_0_5_and_other_kinds_have_no_thresholds():
    labels = ("a", "b")
    tasks = {
        "price": Task("price", "regression", ("price",), ("price",), "mae"),
        "tags": Task("tags", "multilabel", labels, labels, "f1_macro"),
    }
    targets = {name: (np.zeros((4, n), np.float32), np.zeros((4, n), bool)) for name, n in (("price", 1), ("tags", 2))}
    fitted, figures = finish.fit_thresholds(torch.zeros(4, 3), targets, tasks, seed=0)
    assert {name: value.tolist() for name, value in fitted.items()} == {"tags": [0.5, 0.5]}
    assert np.isnan(list(figures.values())).all()
