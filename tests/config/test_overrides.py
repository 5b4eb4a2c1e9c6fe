"""Dotted options: what they may leave out, and where their problems are placed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mtl_accel.config import Config, parse_command_line, read_config, read_json
from mtl_accel.config.sections.optimization import SGD
from mtl_accel.config.sections.schedules import StepLR
from mtl_accel.core.errors import UserError

QUICK = "configs/quickstart.json"
NAME_LAST = ["--scheduler.step_size=7", "--scheduler.name=StepLR"]


def parsed(*arguments: str) -> Config:
    return parse_command_line(["--config", QUICK, *arguments], {"config": "JSON file of the run."})[0]


def problems(path: str, *arguments: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        parse_command_line(["--config", path, *arguments], {"config": "JSON file of the run."})
    return caught.value.problems


@pytest.mark.parametrize("arguments", [NAME_LAST, NAME_LAST[::-1]])
def test_the_name_of_a_branch_may_stand_before_or_after_its_knobs(arguments: list[str]) -> None:
    assert parsed("--scheduler=null", *arguments).scheduler == StepLR(name="StepLR", step_size=7)


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        (["--tasks.attribute.loss.pos_weight=balanced"], "tasks.attribute.loss.pos_weight", "balanced"),
        (["--tasks.category.loss.label_smoothing=0.1"], "tasks.category.loss.label_smoothing", 0.1),
        (
            ["--tasks.attribute.loss.gamma=1", "--tasks.attribute.loss.name=sigmoid_focal"],
            "tasks.attribute.loss.gamma",
            1,
        ),
        (["--balancing.name=dwa", "--balancing.temperature=1"], "balancing.temperature", 1),
        (["--optimizer.betas.0=0.5"], "optimizer.betas", (0.5, 0.999)),
        (["--early_stopping.patience=3"], "early_stopping.patience", 3),
        (["--data.sampler.power=1", "--data.sampler.name=rare_labels"], "data.sampler.power", 1),
        (["--tasks.zip.column=zip", "--tasks.zip.kind=multiclass"], "tasks.zip.column", "zip"),
    ],
)
def test_a_dotted_option_below_what_the_file_leaves_out_changes_its_default(
    arguments: list[str], path: str, value: object
) -> None:
    place: Any = parsed(*arguments).model_dump()
    for part in path.split("."):
        place = place[part]
    assert place == value


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--data.sampler.power", "1"],
            "--data.sampler.power: data.sampler is null, and so has no power (got 1); add "
            "--data.sampler.name rare_labels",
        ),
        (
            ["--scheduler", "null", "--scheduler.gamma", "0.5"],
            "--scheduler.gamma: scheduler is null, and so has no gamma (got 0.5); add "
            "--scheduler.name with one of StepLR, MultiStepLR, ExponentialLR",
        ),
        (
            ["--tasks.atribute.weight", "2"],
            "--tasks.atribute.weight: tasks.atribute is not there, and so has no weight (got 2); add "
            "--tasks.atribute.kind with one of multiclass, ordinal, multilabel, regression; did you mean 'attribute'?",
        ),
        (["--cpu_threads.x", "1"], "--cpu_threads.x: cpu_threads is null, not 'x'; set --cpu_threads as a whole"),
    ],
)
def test_a_dotted_option_below_nothing_says_what_to_add(arguments: list[str], message: str) -> None:
    assert problems(QUICK, *arguments) == [message]


def test_a_callers_own_values_are_not_changed() -> None:
    given = {"optimizer": {"name": "SGD"}, "optimizer.lr": 0.5}
    assert read_config(QUICK, given).optimizer == SGD(name="SGD", lr=0.5)
    assert given == {"optimizer": {"name": "SGD"}, "optimizer.lr": 0.5}


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (["--data.cache", "tape"], "--data.cache: must be 'disk'"),
        (["--optimizer.lr", "-1"], "--optimizer.lr: must be greater than 0 (got -1)"),
        (["--optimizer", '{"name": "SGD", "lr": -1}'], "--optimizer: optimizer.lr: must be greater than 0"),
        (
            ["--optimizer", '{"lr": 1}'],
            '--optimizer: must be an object with a "name", one of Adam, AdamW, SGD, ASGD, ',
        ),
        (["--data.sampler", '{"power": 1}'], "--data.sampler: data.sampler.name: is missing; it must be rare_labels"),
        (["--optimizer.name", "Adamw"], "--optimizer.name: 'Adamw' is none of"),
        (["--select_by", "loos"], "--select_by: 'loos' is none of"),
        (["--transforms.train.1.p", "9"], "--transforms.train.1.p: must be less"),
        (["--early_stopping.min_delta", "0"], "--early_stopping.min_delta: early_stopping.patience: is missing"),
        (["--scheduler.name", "StepLR"], "--scheduler.name: scheduler.step_size: is missing"),
        (["--balancing.alpha", "1"], "--balancing.alpha: no such key"),
        # What stands in the file is right without the option.
        (["--epochs", "3"], "FILE with --epochs: warmup_epochs: 4.0 is longer than the run"),
        (["--optimizer.name", "SGD"], "FILE with --optimizer.name: optimizer.amsgrad: no such key"),
        (["--data.foo.bar", "1"], "--data.foo.bar: data.foo: no such key"),
    ],
)
def test_a_wrong_value_is_placed_where_it_was_given(arguments: list[str], start: str, tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    file = {"warmup_epochs": 4, "scheduler": None, "optimizer": {"name": "Adam", "amsgrad": True}}
    path.write_text(json.dumps(read_json(Path(QUICK)) | file))
    (message,) = problems(str(path), *arguments)
    assert message.startswith(start.replace("FILE", str(path)))


def test_a_wrong_value_in_the_file_is_placed_there_beside_options(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(read_json(Path(QUICK)) | {"epochs": "two"}))
    found = problems(str(path), "--optimizer.lr", "-1")
    assert [message.partition(": must")[0] for message in found] == [f"{path}: epochs", "--optimizer.lr"]
