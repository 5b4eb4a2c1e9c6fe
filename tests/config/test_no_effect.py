"""Pairs of knobs of which one switches the other off: each is an error, or a line at the start that names the knob."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from config_cases import SMALL, small

from mtl_accel.config import read_config, validate
from mtl_accel.config.rules.no_effect import no_effect_lines, no_effect_lines_at_start
from mtl_accel.config.rules.no_effect_data import holdout_lines
from mtl_accel.config.sections.data import DataConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.sampler import check_sizes

CATEGORY = SMALL["tasks"]["category"]
LABELS = {"kind": "multilabel", "columns": ["a", "b"]}
ADAM, SGD = {"name": "Adam", "lr": 0.1}, {"name": "SGD", "lr": 0.1}
TWO = {"category": CATEGORY, "labels": LABELS}
RESIZE, NORMALIZE = {"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}


def schedule(name: str, **keys: Any) -> dict[str, Any]:
    return {"epochs": 5, "optimizer": SGD, "scheduler": {"name": name, **keys}}


def sequence(milestones: list[int], *parts: dict[str, Any]) -> dict[str, Any]:
    return schedule("SequentialLR", schedulers=list(parts), milestones=milestones)


def train(*transforms: dict[str, Any]) -> dict[str, Any]:
    return {"transforms": {"train": [RESIZE, *transforms, NORMALIZE], "eval": [RESIZE, NORMALIZE]}}


def plateau(**keys: Any) -> dict[str, Any]:
    return {"epochs": 9, "optimizer": SGD, "scheduler": {"name": "ReduceLROnPlateau", "patience": 3, **keys}}


# Keys of a config, and the start of the line that they give.
LINES: list[tuple[dict[str, Any], str]] = [
    (schedule("StepLR", step_size=5), "scheduler.step_size: 5 of a run of 5 epochs; the rate never drops"),
    (schedule("StepLR", step_size=2, gamma=1), "scheduler.gamma: 1 leaves"),
    (schedule("MultiStepLR", milestones=[]), "scheduler.milestones: there are none"),
    (schedule("MultiStepLR", milestones=[2, 5]), "scheduler.milestones: 5 is the last epoch"),
    (schedule("MultiStepLR", milestones=[2], gamma=1), "scheduler.gamma: 1 leaves"),
    (schedule("ExponentialLR", gamma=1), "scheduler.gamma: 1 leaves"),
    (schedule("CosineAnnealingLR", T_max=9), "scheduler.T_max: 9 is beyond the last epoch, 5"),
    (schedule("CosineAnnealingLR", T_max=2), "scheduler.T_max: 2 of a run of 5 epochs; the rate rises again"),
    (schedule("CosineAnnealingLR", eta_min=0.2), "scheduler.eta_min: 0.2 is no lower than optimizer.lr 0.1"),
    (schedule("CosineAnnealingWarmRestarts", T_0=5), "scheduler.T_0: 5 of a run of 5 epochs"),
    (schedule("LinearLR", total_iters=9), "scheduler.total_iters: 9 is beyond the last epoch, 5"),
    (schedule("LinearLR", end_factor=0, total_iters=3), "scheduler.total_iters: after epoch 3 of 5 the rate is 0"),
    (schedule("LinearLR", start_factor=0.5, end_factor=0.5), "scheduler.end_factor: 0.5 is start_factor"),
    (schedule("PolynomialLR", total_iters=3), "scheduler.total_iters: after epoch 3 of 5 the rate is 0"),
    (schedule("ConstantLR", factor=1), "scheduler: ConstantLR with factor 1"),
    (schedule("OneCycleLR", div_factor=1), "scheduler.div_factor: 1 lets OneCycleLR begin"),
    (schedule("OneCycleLR", final_div_factor=0.1), "scheduler.final_div_factor: 0.1 lets the rate end higher"),
    (plateau(patience=7), "scheduler.patience: 7 of a run of 9 epochs; the rate never drops"),
    (plateau(min_lr=0.1), "scheduler.min_lr: 0.1 is no lower"),
    ({**plateau(), "early_stopping": {"patience": 3}}, "early_stopping.patience: 3 ends the run before"),
    ({"epochs": 5, "early_stopping": {"patience": 4}}, "early_stopping.patience: 4 of a run of 5 epochs"),
    ({"optimizer": {**ADAM, "weight_decay": 0.01}}, "optimizer.weight_decay: 0.01 of Adam is an L2 penalty"),
    (
        {"optimizer": {"name": "NAdam", "lr": 0.1, "weight_decay": 0.01}},
        "optimizer.weight_decay: 0.01 of NAdam is an L2 penalty",
    ),
    ({"optimizer": {**SGD, "dampening": 0.5}}, "optimizer.dampening: 0.5 dampens the momentum"),
    ({"optimizer": SGD, "no_decay_on_norms_and_biases": True}, "no_decay_on_norms_and_biases: optimizer.weight_decay"),
    ({**schedule("StepLR", step_size=1), "optimizer": {"name": "Rprop", "lr": 0.1}}, "scheduler: Rprop takes its rate"),
    ({"optimizer": {"name": "Rprop", "lr": 0.1}, "warmup_epochs": 1}, "warmup_epochs: Rprop takes its rate"),
    ({"optimizer": {"name": "Rprop", "lr": 0.1}, "gradient_clip_norm": 1}, "gradient_clip_norm: Rprop sees the signs"),
    ({"balancing": {"name": "gradnorm"}}, "balancing: gradnorm has one task"),
    (
        {"balancing": {"name": "dwa"}, "tasks": TWO, "epochs": 2},
        "balancing: dwa weights the tasks from the third",
    ),
    ({"conflict_every_steps": 5}, "conflict_every_steps: one task has no other"),
    ({"model": {"freeze_backbone_epochs": 1}}, "model.freeze_backbone_epochs: for 1 epochs the heads read"),
    (
        {"tasks": {"labels": {**LABELS, "loss": {"name": "bce", "max_pos_weight": 3}}}},
        "tasks.labels.loss.max_pos_weight: 3 is the largest weight",
    ),
    ({"tasks": {"labels": {**LABELS, "delimiter": ";"}}}, "tasks.labels.delimiter: ';' stands between"),
    ({"data": {"delimiter": ";"}}, "data.delimiter: the embedded data set"),
    ({"data": {"streaming": True}}, "data.streaming: the embedded data set"),
    ({"data": {"source": "photos", "wardrobe": {"num_train": 9}}}, "data.wardrobe: data.source is 'photos'"),
    ({"data": {"folds": 3, "fold": 0, "validation_fraction": 0.3}}, "data.validation_fraction: data.folds says"),
    ({"data": {"fold_column": "f", "fold": 0, "stratify": "labels"}}, "data.stratify: data.fold_column says"),
    ({"data": {"fold_column": "f", "fold": 0, "split_seed": 3}}, "data.split_seed: data.fold_column says"),
    ({"data": {"sampler": {"name": "rare_labels", "power": 0}}}, "data.sampler.power: 0 draws all samples alike"),
    ({"data": {"sampler": {"name": "rare_labels", "max_weight": 1}}}, "data.sampler.max_weight: 1 leaves"),
    (train({"name": "ColorJitter"}), "transforms.train.1: ColorJitter changes nothing"),
    (train({"name": "Pad", "padding": 1, "fill": 9, "padding_mode": "edge"}), "transforms.train.1.fill: new pixels"),
]


@pytest.mark.parametrize(("changes", "start"), LINES)
def test_a_knob_without_an_effect_is_named(changes: dict[str, Any], start: str) -> None:
    config = validate(small(**changes), "c.json")
    (line,) = [line for line in no_effect_lines(config) if line.startswith(start.partition(": ")[0] + ":")]
    assert line.startswith(start)
    # The run's config.json, in which every knob is written, says the same.
    resolved = json.loads(json.dumps(config.model_dump(mode="json", by_alias=True)))
    assert no_effect_lines(validate(resolved, "config.json")) == no_effect_lines(config)


# Keys, steps of an epoch, processes, and the start of the line.
AT_START: list[tuple[dict[str, Any], int, int, str]] = [
    ({"epochs": 2, "ema_decay": 0.9}, 10, 1, "ema_decay: 0.9 is not reached in 20 steps"),
    ({"warmup_epochs": 0.01}, 10, 1, "warmup_epochs: 0.01 of 10 steps is less than half a step"),
    ({"checkpoint_every_steps": 10}, 10, 1, "checkpoint_every_steps: 10 of 10 steps"),
    ({"tasks": TWO, "epochs": 2, "conflict_every_steps": 21}, 10, 1, "conflict_every_steps: 21 is more than all 20"),
    ({"sync_batchnorm": True}, 10, 1, "sync_batchnorm: one process"),
]


@pytest.mark.parametrize(("changes", "steps", "processes", "start"), AT_START)
def test_a_knob_without_an_effect_on_so_many_steps_and_processes_is_named(changes, steps, processes, start) -> None:
    config = validate(small(**changes), "c.json")
    (line,) = no_effect_lines_at_start(config, steps, processes)
    assert line.startswith(start)
    assert no_effect_lines_at_start(config, 10_000, 2) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("validation_fraction", 0.3), ("split_seed", 3), ("stratify", "labels"), ("group_column", "garment")],
)
def test_a_knob_of_the_hold_out_is_named_where_the_data_have_a_validation_split(key, value) -> None:
    config = validate(small(data={key: value}), "c.json")
    (line,) = holdout_lines(config, is_held_out=False)
    assert line.startswith(f"data.{key}: the data have a validation split")
    assert holdout_lines(config, is_held_out=True) == []
    assert holdout_lines(validate(small(), "c.json"), is_held_out=False) == []


LINEAR, COSINE = {"name": "LinearLR"}, {"name": "CosineAnnealingLR", "every": "step"}
ERRORS: list[tuple[dict[str, Any], list[str]]] = [
    (schedule("OneCycleLR", max_lr=0.3), ["scheduler.max_lr: 0.3", "optimizer.lr 0.1", "leave scheduler.max_lr out"]),
    ({**schedule("OneCycleLR"), "warmup_epochs": 1}, ["warmup_epochs", "OneCycleLR"]),
    (schedule("MultiStepLR", milestones=[9]), ["scheduler.milestones", "[9]", "last epoch, 5"]),
    (sequence([9], LINEAR, LINEAR), ["scheduler.milestones", "[9]", "last epoch, 5"]),
    (sequence([5], LINEAR, LINEAR), ["scheduler.milestones: 5 is the last epoch", "set it lower"]),
    (sequence([1, 2], LINEAR, LINEAR), ["scheduler.milestones", "2 schedules have 1 milestones", "[1, 2]"]),
    (sequence([2], LINEAR, COSINE), ["scheduler.schedulers", '"epoch"', '"step"', "give all of them the same"]),
    ({"optimizer": {**SGD, "nesterov": True}}, ["optimizer.nesterov", "momentum"]),
    ({"epochs": 2, "model": {"freeze_backbone_epochs": 2}}, ["model.freeze_backbone_epochs"]),
    ({"tasks": {"category": {**CATEGORY, "weight": 0}}}, ["tasks", "weight of every task is 0"]),
    ({"data": {"folds": 3, "fold_column": "f", "fold": 0}}, ["data.folds", "not both"]),
    ({"tasks": {"n": {"kind": "regression", "columns": ["n"], "log1p": True, "standardise": False}}}, ["log1p"]),
    ({"batch_size": 8, "micro_batch_size": 16}, ["micro_batch_size", "16", "does not divide batch_size 8"]),
    ({"compile": True, "balancing": {"name": "upgrad"}, "tasks": TWO}, ["compile", "upgrad"]),
]


@pytest.mark.parametrize(("changes", "parts"), ERRORS)
def test_knobs_that_nobody_can_mean_together_are_an_error(changes: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        validate(small(**changes), "c.json")
    (message,) = caught.value.problems
    assert [part for part in ("c.json", *parts) if part not in message] == []


def test_a_micro_batch_above_the_share_of_a_process_is_an_error_with_the_sizes_that_fit() -> None:
    with pytest.raises(UserError, match=r"micro_batch_size: .* 8 cannot be dealt to 2 processes; set .* to 2 or 4"):
        check_sizes(8, 8, 2)


CONFIGS = sorted(path for path in Path("configs").rglob("*.json") if path.parent.name in ("configs", "small"))


@pytest.mark.parametrize("path", [path for path in CONFIGS if path.name != "schema.json"], ids=str)
def test_our_configs_have_no_knob_without_an_effect(path: Path) -> None:
    # The author of version 3 trained for ten epochs, and let the rate drop after them.
    of_the_author = {"v3.json": ["scheduler.milestones: 10 is the last epoch, after which no rate is used"]}
    assert no_effect_lines(read_config(path)) == of_the_author.get(path.name, [])


def test_the_defaults_have_no_knob_without_an_effect() -> None:
    config = validate(small(), "c.json")
    assert no_effect_lines(config) == [] and config.data == DataConfig()
