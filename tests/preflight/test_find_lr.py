"""The range test: a run's own steps under a rising rate, the same ones each time and on two processes."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import real_runs as runs
import small_run
from accelerate.state import AcceleratorState, GradientState
from PIL import Image

import mtl_accel
from mtl_accel import config as config_module
from mtl_accel import models
from mtl_accel.cli.commands import find_lr as command
from mtl_accel.preflight.learning_rate.drawing import draw
from mtl_accel.preflight.learning_rate.finding import LRFinding, format_rate, has_diverged, smooth, suggest
from mtl_accel.training import engine
from mtl_accel.training.run import Run

RATES = np.geomspace(1e-7, 10, 100).tolist()


def finding_of(losses: list[float]) -> LRFinding:
    smoothed, rates = smooth(losses), RATES[: len(losses)]
    return LRFinding(rates, {"a": losses}, losses, smoothed, *suggest(rates, smoothed), has_diverged(smoothed))


def test_the_suggestion_is_the_steepest_descent_and_a_tenth_of_the_minimum() -> None:
    # Falls from 2 to 1 around 1e-4, rises from 1e-2 on; the smoothed loss comes up to ten steps later.
    losses = [2 - 1 / (1 + (1e-4 / rate) ** 2) + (rate / 1e-1) ** 2 for rate in RATES]
    finding = finding_of(losses)
    assert finding.suggestion is not None and finding.tenth_of_minimum is not None
    assert 1e-4 <= finding.suggestion <= 1e-4 * (RATES[10] / RATES[0])
    lowest = RATES[int(np.argmin(finding.smoothed))]
    assert finding.tenth_of_minimum == lowest / 10 and 1e-3 < lowest < 1e-1
    assert finding.argument == f"--optimizer.lr {format_rate(finding.suggestion)}"


def test_a_loss_that_never_falls_gives_no_suggestion_and_says_so() -> None:
    for losses in ([1.0] * 100, [1.0 + n for n in range(100)], [math.nan] * 100, [1.0, math.inf], [2.0, 1.0]):
        finding = finding_of(losses)
        assert finding.suggestion is finding.argument is None
        assert "no suggestion: the loss fell at none of them" in finding.summary()


def test_the_smoothed_loss_has_no_bias_towards_0_and_a_divergence_is_told() -> None:
    assert smooth([3.0] * 5) == pytest.approx([3.0] * 5)
    assert not has_diverged(smooth([3.0, 2.0, 4.0]))
    assert has_diverged(smooth([3.0, 2.0, 100.0])) and has_diverged(smooth([3.0, math.nan]))


@pytest.mark.parametrize(("rate", "text"), [(3.2e-4, "3.2e-4"), (0.00030049, "3e-4"), (1.0, "1e0"), (9.99e-4, "1e-3")])
def test_a_rate_has_two_digits_and_is_a_number_of_the_command_line(rate: float, text: str) -> None:
    assert format_rate(rate) == text and float(text) == pytest.approx(rate, rel=0.05)


def test_the_picture_shows_the_losses_also_where_they_are_not_finite(tmp_path: Path) -> None:
    for losses in ([2.0, 1.5, 1.0, 1.5, math.inf], [math.nan] * 4, [1.0]):
        draw(finding_of(losses), tmp_path / "lr.png")
        with Image.open(tmp_path / "lr.png") as picture:
            assert picture.width > 300 and picture.height > 300


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setitem(models.MODELS, "small", small_run.Small)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("drawn"), num_train=24, num_validation=8)


def read(path: Path) -> config_module.Config:
    return config_module.validate(config_module.read_json(path), str(path))


WHOLE = {
    "ema_decay": 0.9,
    "mixing": [{"name": "mixup", "alpha": 0.2, "probability": 0.5}],
    "balancing": {"name": "uncertainty"},
    "warmup_epochs": 1.0,
    "no_decay_on_norms_and_biases": True,
    "gradient_clip_norm": 1.0,
}


def test_the_rate_rises_and_groups_of_parameters_keep_their_ratios(
    _small: None, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    norm, seen = engine.gradient_norm, []

    def watched(run: Run, is_log_step: bool) -> object:
        seen.append([group["lr"] for group in run.optimizer.param_groups])
        return norm(run, is_log_step)

    monkeypatch.setattr(engine, "gradient_norm", watched)
    model = {"name": "small", "backbone_lr_scale": 0.1}
    found = mtl_accel.find_lr(read(runs.write_config(tmp_path / "c.json", source, model=model)), steps=10)
    assert [rate for rate, _ in seen] == found.rates == np.geomspace(1e-7, 10, 10).tolist()[: len(seen)]
    assert [backbone / rate for rate, backbone in seen] == pytest.approx([0.1] * len(seen))


def test_a_test_leaves_nothing_but_its_files_and_gives_the_same_losses_again(
    _small: None, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runs.write_config(tmp_path / "c.json", source, **WHOLE)
    config = read(path)
    before = config.model_dump()
    first = mtl_accel.find_lr(config, steps=20)
    assert {p.name for p in tmp_path.iterdir()} == {"c.json", "run-lr.png", "run-lr.json"}
    assert config.model_dump() == before
    assert command.main(["--config", str(path), "--steps", "20", "--output", str(tmp_path / "new" / "again.png")]) == 0
    printed = capsys.readouterr().out
    second = json.loads((tmp_path / "new" / "again.json").read_text())
    expected = dataclasses.asdict(first)
    assert second == {key: expected[key] for key in second}
    assert first.argument is None or first.argument in printed
    assert first.losses.keys() == {"category", "attribute"} and len(first.total) == len(first.rates)


@pytest.mark.slow
def test_the_losses_are_those_of_the_run_s_own_steps(_small: None, source: Path, tmp_path: Path) -> None:
    """With rates near 0 the weights stay what they are, as in the run that learns at 1e-30."""
    still = runs.STILL | {
        "transforms": json.loads(runs.write_config(tmp_path / "x.json", source).read_text())["transforms"]
    }
    config = runs.write_config(tmp_path / "c.json", source, **still)
    runs.run(config, TRACE="1")
    steps = [row["losses"] for row in runs.trace(config)]
    models.MODELS["without"] = small_run.Without
    try:
        found = mtl_accel.find_lr(read(config), steps=10, min_lr=1e-30, max_lr=1e-29)
    finally:
        del models.MODELS["without"]
    assert [[found.losses[task][n] for task in found.losses] for n in range(len(steps))] == steps


@pytest.mark.slow
def test_two_processes_find_the_same_losses_as_one_to_the_bit(source: Path, tmp_path: Path) -> None:
    found = []
    for processes in (1, 2):
        path = runs.write_config(tmp_path / f"{processes}.json", source, **WHOLE)
        output = tmp_path / f"{processes}.png"
        printed = tmp_path / f"{processes}.txt"
        arguments = [str(path), str(output)]
        code, text = runs.finish(
            runs.fork(small_run.find_lr, arguments, {"ACCELERATE_USE_CPU": "true"}, printed, processes)
        )
        assert code == 0, text
        found.append(json.loads(output.with_suffix(".json").read_text()))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"steps": 3}, "steps: 3 must be a whole number of 10 or more"),
        ({"steps": "many"}, "steps: 'many' must be"),
        ({"min_lr": 0}, "min_lr: 0 must be a number above 0"),
        ({"max_lr": math.inf, "steps": 1}, "max_lr: inf must be a number above 0"),
        ({"min_lr": 1, "max_lr": 0.1}, "min_lr: 1 must be less than max_lr, which is 0.1"),
    ],
)
def test_wrong_options_are_told_before_anything_is_read(options: dict, problem: str, tmp_path: Path) -> None:
    config = read(runs.write_config(tmp_path / "c.json", tmp_path / "nowhere", model={"name": "resnet18_linear"}))
    with pytest.raises(mtl_accel.UserError) as caught:
        mtl_accel.find_lr(config, **options)
    assert any(problem in line for line in caught.value.problems)


@pytest.mark.parametrize("scheduler", [{"name": "OneCycleLR"}, {"name": "OneCycleLR", "max_lr": 0.02}, None])
def test_what_is_printed_sets_the_rate_of_any_config(scheduler: dict | None, tmp_path: Path) -> None:
    raw = {"scheduler": scheduler, "optimizer": {"name": "SGD"}}
    path = runs.write_config(tmp_path / "c.json", tmp_path, model={"name": "resnet18_linear"}, **raw)
    finding = dataclasses.replace(finding_of([2.0 - n / 100 for n in range(100)]), has_one_cycle=scheduler is not None)
    assert finding.argument is not None and finding.suggestion is not None
    config, _ = config_module.parse_command_line(["--config", str(path), *finding.argument.split()], ["config"])
    assert config.optimizer.lr == pytest.approx(finding.suggestion, rel=0.05)
