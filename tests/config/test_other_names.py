"""Names that users bring from other libraries point to the knob that they mean; one highest rate is one knob."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from config_cases import small

from mtl_accel.config import Config, parse_command_line, read_config, validate
from mtl_accel.config.knobs import all_knobs
from mtl_accel.config.rules.synonyms import _MEANT, meant_by
from mtl_accel.config.saved import upgraded
from mtl_accel.core.errors import UserError
from mtl_accel.runs.changes import config_of
from mtl_accel.runs.checkpoint import Checkpoint


def problem(raw: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        validate(raw, "c.json")
    (message,) = caught.value.problems
    return message


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"gradient_accumulation_steps": 4}, ["gradient_accumulation_steps: no such key", "micro_batch_size"]),
        ({"accumulate_grad_batches": 4}, ["micro_batch_size"]),
        ({"lr": 0.1}, ["lr: no such key (got 0.1); here it is optimizer.lr"]),
        ({"learning_rate": 0.1}, ["here it is optimizer.lr"]),
        ({"optimizer": {"name": "Adam", "learning_rate": 0.1}}, ["optimizer.learning_rate", "here it is optimizer.lr"]),
        ({"num_epochs": 3}, ["here it is epochs"]),
        ({"train_batch_size": 8}, ["here it is batch_size"]),
        ({"fp16": True}, ["mixed_precision"]),
        ({"weight_decay": 0.1}, ["here it is optimizer.weight_decay"]),
        ({"num_workers": 3}, ["stands in another place: data.num_workers"]),
        ({"num-workers": 3}, ["stands in another place: data.num_workers"]),
        ({"data": {"batch_size": 3}}, ["data.batch_size", "stands in another place: batch_size"]),
        ({"pos_weight": "balanced"}, ["stands in another place: tasks.NAME.loss.pos_weight"]),
        ({"model": {"pretrained": True}}, ["model.pretrained", "here it is model.weights"]),
        ({"scheduler": {"name": "OneCycleLR", "warmup_steps": 9}}, ["scheduler.warmup_steps", "warmup_epochs"]),
        ({"gpus": 2}, ["--num_processes"]),
    ],
)
def test_a_name_of_another_library_points_to_the_knob(changes: dict[str, Any], parts: list[str]) -> None:
    message = problem(small(**changes))
    assert [part for part in ("c.json", *parts) if part not in message] == []


def test_an_option_of_another_library_points_to_the_knob() -> None:
    with pytest.raises(UserError, match=r"--learning_rate: no such option \(got 0.1\); here it is optimizer\.lr"):
        parse_command_line(["--config", "configs/quickstart.json", "--learning_rate", "0.1"], {"config": ""})


def test_every_knob_that_a_name_points_to_is_there_and_no_name_is_a_knob_of_the_top() -> None:
    paths = {knob.path for knob in all_knobs(Config)}
    for name, meant in _MEANT.items():
        assert name not in Config.model_fields and name == name.lower()
        knob = meant.partition(",")[0].partition(";")[0]
        assert knob in paths or knob.startswith("no knob")
    assert meant_by(["zzz"]) == ""


def one_cycle(lr: float | None, max_lr: float | None) -> dict[str, Any]:
    optimizer = {"name": "AdamW", **({} if lr is None else {"lr": lr})}
    return small(
        optimizer=optimizer, scheduler={"name": "OneCycleLR", **({} if max_lr is None else {"max_lr": max_lr})}
    )


def test_a_highest_rate_that_is_said_once_or_twice_the_same_is_the_optimizer_s() -> None:
    found = [validate(one_cycle(*rates), "c.json") for rates in ((0.02, None), (None, 0.02), (0.02, 0.02))]
    assert found[0] == found[1] == found[2]
    assert (found[0].optimizer.lr, found[0].scheduler.max_lr) == (0.02, None)


def test_two_highest_rates_are_an_error_that_says_both_their_places_and_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(one_cycle(0.01, 0.02)))
    with pytest.raises(UserError) as caught:
        read_config(path)
    (message,) = caught.value.problems
    assert "scheduler.max_lr: 0.02 and optimizer.lr 0.01" in message and "leave scheduler.max_lr out" in message
    path.write_text(json.dumps(one_cycle(0.02, 0.02)))
    with pytest.raises(UserError, match=r"with --grid: scheduler\.max_lr: 0\.02 and optimizer\.lr 0\.5"):
        read_config(path, {"optimizer.lr": 0.5}, {"optimizer.lr": "--grid"})


def test_a_run_of_before_that_has_two_rates_keeps_the_one_that_it_used(tmp_path: Path) -> None:
    raw = one_cycle(0.01, 0.02)
    assert validate(upgraded(raw), "config.json") == validate(one_cycle(0.02, None), "c.json")
    (tmp_path / "config.json").write_text(json.dumps(raw))
    (tmp_path / "status.json").write_text("{}")
    assert read_config(tmp_path / "config.json").optimizer.lr == 0.02
    assert upgraded(one_cycle(0.02, None)) == one_cycle(0.02, None)
    before = config_of(Checkpoint(tmp_path, {}, {"config": raw}))  # as a resumed run compares it
    assert before == validate(one_cycle(0.02, None), "c.json")
