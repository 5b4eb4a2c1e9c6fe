"""Runs of a composed pair: stochastic depth, heads of single tasks, and blocks that are computed again backward."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import real_runs as runs
import small_run
import torch
from PIL import Image

import mtl_accel
from mtl_accel import models
from mtl_accel.config import read_config

pytestmark = pytest.mark.slow
timm = pytest.importorskip("timm")

RATE = {"drop_path_rate": 0.3}
MODEL = {"backbone": "timm/test_convnext", "head": "linear"} | RATE
TASKS = {
    "category": {"kind": "multiclass", "column": "category", "head": {"name": "mlp", "hidden": 16, "dropout": 0.5}},
    "attribute": {"kind": "multilabel", "head": {"name": "query", "width": 16}, "lr_scale": 0.5},
}
SMALL = {"name": "small"}  # with BatchNorm and dropout
# Ordered classes have one score, and thresholds of their own around its head.
OWN_HEADS = {
    "category": {"kind": "ordinal", "column": "category", "classes": list(runs.CLASSES), "head": "mlp"},
    "attribute": {"kind": "multilabel", "head": {"name": "relu_linear", "dropout": 0.25}, "lr_scale": 0.5},
}
AGAIN = {"gradient_checkpointing": True}
BALANCED = {"shared": {"name": "upgrad", "where": "shared"}, "features": {"name": "upgrad", "where": "features"}}
# Name: (keys of the config, numbers of processes).
SCENARIOS: dict[str, tuple[dict, tuple[int, ...]]] = {
    "plain": ({"model": MODEL, "tasks": TASKS}, (1, 2)),
    "plain again": ({"model": MODEL | AGAIN, "tasks": TASKS}, (1, 2)),
    "loaded": ({"model": MODEL | {"weights": "published.pth"}, "tasks": TASKS}, (1,)),
    "always": ({"model": MODEL | {"drop_path_rate": 0.0}, "tasks": TASKS}, (1,)),
    "shared": ({"model": SMALL, "balancing": BALANCED["shared"], "tasks": OWN_HEADS}, (1,)),
    "shared again": ({"model": SMALL | AGAIN, "balancing": BALANCED["shared"], "tasks": OWN_HEADS}, (1,)),
    "features": ({"model": SMALL, "balancing": BALANCED["features"], "tasks": OWN_HEADS}, (2,)),
    "features again": ({"model": SMALL | AGAIN, "balancing": BALANCED["features"], "tasks": OWN_HEADS}, (2,)),
}


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], Path]:
    """Every scenario on its numbers of processes, in four micro-batches a step."""
    base = tmp_path_factory.mktemp("composed")
    source = runs.write_source(base / "source", num_train=16, num_validation=4)
    torch.save(timm.create_model("test_convnext").state_dict(), base / "published.pth")
    made = {}
    for name, (changes, worlds) in SCENARIOS.items():
        for world in worlds:
            path = base / f"{name}{world}".replace(" ", "-") / "c.json"
            if "weights" in changes["model"]:
                changes = {**changes, "model": {**changes["model"], "weights": str(base / "published.pth")}}
            made[name, world] = runs.write_config(path, source, micro_batch_size=2, epochs=1, **changes)
    for world in (1, 2):
        first, *others = (path for (_, number), path in made.items() if number == world)
        runs.run(first, "--also", os.pathsep.join(map(str, others)), processes=world)
    return made


@pytest.mark.parametrize("name", ["plain", "plain again"])
def test_one_process_and_two_end_with_equal_weights_and_metrics(
    configs: dict[tuple[str, int], Path], name: str
) -> None:
    one, two = configs[name, 1], configs[name, 2]
    assert runs.epochs(one) == runs.epochs(two)
    assert runs.digest(one) == runs.digest(two)


@pytest.mark.parametrize(("name", "world"), [("plain", 1), ("plain", 2), ("shared", 1), ("features", 2)])
def test_blocks_that_are_computed_again_end_with_the_same_weights_to_the_bit(
    configs: dict[tuple[str, int], Path], name: str, world: int
) -> None:
    plain, again = configs[name, world], configs[f"{name} again", world]
    assert runs.digest(plain) == runs.digest(again)
    assert runs.epochs(plain) == runs.epochs(again)


def test_stochastic_depth_changes_what_is_learned(configs: dict[tuple[str, int], Path]) -> None:
    assert runs.digest(configs["plain", 1]) != runs.digest(configs["always", 1])


def test_the_config_of_the_run_is_explicit_and_the_finished_model_is_built_from_it(
    configs: dict[tuple[str, int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    folder = runs.run_dir(configs["plain", 1])
    written = json.loads((folder / "config.json").read_text())
    head = {"name": "linear", "dropout": 0.0}
    assert written["model"]["name"] == "composed" and written["model"]["head"] == head
    assert written["tasks"]["attribute"]["head"] == {"name": "query", "width": 16, "num_heads": 8, "dropout": 0.1}
    assert read_config(folder / "config.json").model == read_config(configs["plain", 1]).model
    described = json.loads((folder / "model" / "config.json").read_text())
    assert described["model"] == {
        "name": "composed",
        "backbone": MODEL["backbone"],
        "head": head,
        "drop_path_rate": 0.3,
    }
    assert described["tasks"]["category"]["head"] == {"name": "mlp", "hidden": 16, "dropout": 0.5}
    own = mtl_accel.load(runs.run_dir(configs["features", 2])).model.heads
    assert own["category"].score[0].out_features == 512 and own["attribute"][1].p == 0.25
    predictor = mtl_accel.load(folder)
    assert predictor.model.heads["category"].head[0].out_features == 16
    assert len(predictor.predict(Image.new("RGB", (32, 32)), probabilities=True)) == 1


def test_the_log_says_in_one_line_which_weights_were_loaded(configs: dict[tuple[str, int], Path]) -> None:
    lines = (runs.run_dir(configs["loaded", 1]) / "log.txt").read_text().splitlines()
    (line,) = [line for line in lines if "weights: " in line]
    source = configs["loaded", 1].parent.parent / "published.pth"
    total = len(timm.create_model("test_convnext").state_dict())
    assert line.endswith(
        f"weights: {source}: {total - 2} of {total} tensors of test_convnext loaded; left: head.fc.weight, "
        "head.fc.bias (the ImageNet layer)"
    )
    assert "weights: " not in (runs.run_dir(configs["plain", 1]) / "log.txt").read_text()


def test_the_rates_of_heads_keep_their_scale(configs: dict[tuple[str, int], Path]) -> None:
    saved = json.loads(next((runs.run_dir(configs["plain", 1]) / "checkpoints").glob("*/state.json")).read_text())
    rates = [group["lr"] for group in saved["optimizer"]["param_groups"]]
    assert len(rates) == 2 and rates[1] == pytest.approx(0.5 * rates[0])
