"""Callbacks look at everything, at the right moments, and change nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import real_runs as runs
import small_run
import torch
from nosy import Nosy

import mtl_accel
from mtl_accel import models
from mtl_accel.core.errors import UserError
from mtl_accel.training.callbacks import HOOKS, NO_CALLBACKS, Callbacks

pytestmark = pytest.mark.slow

# BatchNorm, dropout, an average of the weights, and gradients that another step must not add to.
CHANGES: dict[str, Any] = {"ema_decay": 0.9, "gradient_clip_norm": 0.1, "log_every_steps": 1}
STEPS = [(epoch, step) for epoch in (1, 2) for step in range(1, 6)]
LOSSES = ["attribute/loss", "category/loss", "loss"]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=13)


@pytest.fixture(scope="module")
def plain(source, tmp_path_factory) -> Path:
    """The config of a run without callbacks, and the run."""
    config = runs.write_config(tmp_path_factory.mktemp("plain") / "c.json", source, **CHANGES)
    runs.run(config)
    return config


@pytest.fixture
def config(source, tmp_path, monkeypatch, on_cpu) -> Path:
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    return runs.write_config(tmp_path / "c.json", source, **CHANGES)


def train(config: Path, *callbacks: mtl_accel.Callback, **options: Any) -> mtl_accel.Result:
    return mtl_accel.train(mtl_accel.read_config(config), callbacks=callbacks, **options)


def calls(file: Path, hook: str) -> list[tuple[int, int]]:
    return [(epoch, step) for name, epoch, step, _ in map(json.loads, file.read_text().splitlines()) if name == hook]


def rows(config: Path, event: str) -> list[dict]:
    found = map(json.loads, (runs.run_dir(config) / "log.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in found if row["event"] == event]


def test_a_callback_that_looks_at_everything_changes_no_bit(config, plain, tmp_path) -> None:
    train(config, Nosy(tmp_path / "calls"))
    assert runs.digest(config) == runs.digest(plain)
    assert runs.epochs(config) == runs.epochs(plain)
    assert rows(config, "step") == rows(plain, "step")
    assert "on_epoch_end has looked\n" in (runs.run_dir(config) / "log.txt").read_text()


def test_nor_does_one_on_each_of_two_processes_and_both_know_the_metrics(source, plain, tmp_path) -> None:
    config = runs.write_config(tmp_path / "c.json", source, **CHANGES)
    runs.run(config, processes=2, NOSY="1")
    assert runs.digest(config) == runs.digest(plain)
    first, second = (Path(f"{runs.run_dir(config)}-{rank}.jsonl").read_text() for rank in (0, 1))
    assert first == second and "validation/category/accuracy" in first


def test_each_hook_is_called_once_a_time_that_it_names(config, tmp_path) -> None:
    train(config, Nosy(file := tmp_path / "calls"))
    expected = [("on_start", 0, 0)]
    for epoch in (1, 2):
        expected += [("on_step_end", epoch, step) for step in range(1, 6)]
        expected += [("on_checkpoint", epoch, 5), ("on_epoch_end", epoch, 5)]
    found = [tuple(json.loads(line)[:3]) for line in file.read_text().splitlines()]
    assert found == [*expected, ("on_end", 2, 5)]


@pytest.mark.parametrize("at", [("on_start", 0, 0), ("on_step_end", 1, 2), ("on_epoch_end", 1, 5)])
def test_a_run_that_a_callback_stops_resumes_to_the_same_weights_and_each_step_is_called_once(
    config, plain, tmp_path, at
) -> None:
    file = tmp_path / "calls"
    stopped = train(config, Nosy(file, stop_at=at))
    assert (stopped.status, stopped.exit_code) == ("stopped", 85)
    assert f"stopped by callback Nosy.{at[0]} " in (runs.run_dir(config) / "log.txt").read_text()
    assert calls(file, "on_end") == (calls(file, "on_step_end")[-1:] or [(0, 0)])
    assert train(config, Nosy(file)).status == "finished"
    assert calls(file, "on_step_end") == STEPS
    assert len(calls(file, "on_start")) == len(calls(file, "on_end")) == 2
    assert runs.digest(config) == runs.digest(plain)
    assert rows(config, "step") == rows(plain, "step") and runs.epochs(config) == runs.epochs(plain)


class Seen(mtl_accel.Callback):
    """Keeps what it gets."""

    def __init__(self) -> None:
        self.infos: dict[str, list[mtl_accel.RunInfo]] = {}
        self.weights: list[torch.Tensor] = []

    def on_step_end(self, info: mtl_accel.RunInfo) -> None:
        self.infos.setdefault("on_step_end", []).append(info)

    def on_epoch_end(self, info: mtl_accel.RunInfo) -> None:
        self.infos.setdefault("on_epoch_end", []).append(info)
        self.weights.append(info.model.backbone[0].weight.clone())

    def on_checkpoint(self, info: mtl_accel.RunInfo) -> None:
        self.infos.setdefault("on_checkpoint", []).append(info)

    def on_end(self, info: mtl_accel.RunInfo) -> None:
        self.infos.setdefault("on_end", []).append(info)


def test_what_a_callback_gets_is_what_the_log_says(config) -> None:
    result = train(config, seen := Seen())
    steps, epochs = seen.infos["on_step_end"], seen.infos["on_epoch_end"]
    for info, row in zip(steps, rows(config, "step"), strict=True):
        assert {name: info.metrics[f"step/{name}"] for name in LOSSES} == row["train"]
        assert (info.metrics["step/gradient_norm"], info.lr, info.epoch) == (
            row["gradient_norm"],
            row["lr"],
            row["epoch"],
        )
    for info, row in zip(epochs, runs.epochs(config), strict=True):
        assert {name: info.metrics[f"validation/{name}"] for name in row["validation"]} == row["validation"]
        assert {name: info.metrics[f"train/{name}"] for name in row["train"]} == row["train"]
    assert all(info.checkpoint is not None and info.checkpoint.is_dir() for info in seen.infos["on_checkpoint"])
    (end,) = seen.infos["on_end"]
    assert end.status == "finished" and (end.folder / "model" / "model.safetensors").is_file()
    fitted = runs.end_of(config)["fitted"]
    assert end.metrics == {f"best/{name}": value for name, value in {**result.best, **fitted}.items()}
    # The average, with which validation was measured.
    best = mtl_accel.load(result.run_dir, "cpu").model.backbone[0].weight
    assert torch.equal(seen.weights[result.best_epoch - 1], best)
    assert not any(hasattr(info, name) for info in steps for name in ("optimizer", "accelerator"))


class Fails(mtl_accel.Callback):
    def __init__(self, at: int) -> None:
        self.at = at

    def on_step_end(self, info: mtl_accel.RunInfo) -> None:
        if (info.epoch, info.step) == (2, self.at):
            {}["a key that is not there"]


def test_an_exception_ends_the_run_with_its_own_traceback_and_the_run_resumes(config, plain) -> None:
    with pytest.raises(UserError) as caught:
        train(config, Fails(at=3))
    message = str(caught.value)
    assert message.startswith("callback Fails.on_step_end: KeyError: 'a key that is not there'\n")
    assert 'test_callbacks.py", line ' in message and "engine.py" not in message
    assert isinstance(caught.value.__cause__, KeyError)
    assert runs.status(config)["status"] == "failed"
    train(config)
    assert runs.digest(config) == runs.digest(plain)


class Changes(mtl_accel.Callback):
    def __init__(self, hook: str, change: Any) -> None:
        setattr(type(self), hook, lambda self, info: change(info.model))


def in_training_mode(model: torch.nn.Module) -> None:
    model.train()(torch.rand(2, 3, 32, 32))


def test_a_backward_pass_into_the_weights_is_an_error(config) -> None:
    class Differentiates(mtl_accel.Callback):
        def on_step_end(self, info: mtl_accel.RunInfo) -> None:
            info.model.requires_grad_(True)
            with torch.enable_grad():
                info.model(torch.rand(2, 3, 32, 32))["category"].sum().backward()

    message = (
        r"callback Differentiates\.on_step_end ran a backward pass into backbone\.0\.weight of the model and 7 more"
    )
    with pytest.raises(UserError, match=message):
        train(config, Differentiates())


@pytest.mark.parametrize("hook", ["on_start", "on_step_end", "on_epoch_end"])
@pytest.mark.parametrize(
    ("change", "name"),
    [
        (in_training_mode, r"backbone\.1\.num_batches_tracked of the model and 1 more"),
        (lambda model: model.backbone[0].weight.add_(0), r"backbone\.0\.weight of the model:"),
        (lambda model: model.load_state_dict(model.state_dict()), r"backbone\.0\.weight of the model and \d+ more"),
        (lambda model: setattr(model.backbone, "0", torch.nn.Identity()), r"backbone\.0\.weight of the model:"),
    ],
)
def test_a_callback_that_changes_the_model_is_an_error_that_names_what(config, hook, change, name) -> None:
    with pytest.raises(UserError, match=rf"callback Once\.{hook} changed {name}"):
        train(config, type("Once", (Changes,), {})(hook, change))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([Seen], "callbacks: <class .*Seen'> is no object of a subclass of mtl_accel.Callback"),
        ([print], "callbacks: <built-in function print> is no object"),
        (Seen(), "callbacks: .* is no list"),
    ],
)
def test_what_is_no_callback_is_an_error(given: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Callbacks(given)


def test_an_answer_that_means_nothing_is_an_error(config) -> None:
    class Says(mtl_accel.Callback):
        def on_start(self, info: mtl_accel.RunInfo) -> str:
            return "Stop"

    with pytest.raises(UserError, match=r'callback Says.on_start returned \'Stop\'; return None, or "stop"'):
        train(config, Says())


def test_without_a_callback_that_overrides_it_a_hook_touches_nothing() -> None:
    for hook in HOOKS:
        NO_CALLBACKS.call(hook, None)
        Callbacks([mtl_accel.Callback()]).call(hook, None)


def test_callbacks_go_with_data_from_python(config, source, tmp_path) -> None:
    frames = {}
    for name, file in (("train", "train"), ("validation", "val")):
        frames[name] = pd.read_csv(source / f"{file}.csv", dtype=str)
        frames[name]["filename"] = [str(source / file / each) for each in frames[name]["filename"]]
    raw = json.loads(config.read_text())
    raw["data"] |= {"image_dirs": ["/"]}
    config.write_text(json.dumps(raw))
    result = train(config, Nosy(file := tmp_path / "calls"), data=frames)
    assert result.status == "finished"
    assert calls(file, "on_start") == [(0, 0)] and calls(file, "on_step_end") == STEPS
