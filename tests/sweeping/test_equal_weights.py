"""Runs that end with equal weights are named, with the knobs between them, which had no effect."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import real_runs as runs
import small_launch

import mtl_accel
from mtl_accel.sweeping.equal_weights import equal_weights_lines
from mtl_accel.sweeping.plan import Member, plan_runs

QUICK = "configs/quickstart.json"


def members(folder: Path, grid: dict[str, list], weights: list[bytes | None]) -> list[Member]:
    """The runs of a grid, with these weights; None: the run has not finished."""
    planned = plan_runs([Path(QUICK)], folder, grid, [], {"scheduler": None})
    for member, content in zip(planned, weights, strict=True):
        if content is not None:
            (member.folder / "model").mkdir(parents=True)
            (member.folder / "model" / "model.safetensors").write_bytes(content)
    return planned


def test_equal_weights_name_the_runs_the_knob_and_the_reason(tmp_path: Path) -> None:
    grid = {"no_decay_on_norms_and_biases": [False, True], "optimizer.weight_decay": [0, 0.1]}
    found = members(tmp_path, grid, [b"a", b"b", b"a", b"c"])
    (line,) = equal_weights_lines(found)
    assert line == (
        f"Equal weights: {found[0].name} and {found[2].name} ended with the same, so no_decay_on_norms_and_biases had "
        "no effect (no_decay_on_norms_and_biases: optimizer.weight_decay is 0, so nothing decays in any case)."
    )


def test_weights_that_differ_and_runs_without_any_give_no_line(tmp_path: Path) -> None:
    grid = {"optimizer.lr": [0.1, 0.2, 0.3, 0.4]}
    assert equal_weights_lines(members(tmp_path, grid, [b"a", b"b", None, None])) == []


def test_a_knob_without_a_known_reason_is_named_alone(tmp_path: Path) -> None:
    (line,) = equal_weights_lines(members(tmp_path, {"log_every_steps": [1, 2]}, [b"a", b"a"]))
    assert line.endswith("ended with the same, so log_every_steps had no effect.")


@pytest.mark.slow
def test_a_sweep_says_it_in_its_comparison(tmp_path: Path) -> None:
    source = runs.write_source(tmp_path / "source", num_train=16, num_validation=8)
    sgd = {"name": "SGD", "lr": 0.01}
    config = runs.write_config(tmp_path / "c.json", source, epochs=1, optimizer=sgd, scheduler=None)
    grid = {"optimizer.dampening": [0, 0.5]}
    done = mtl_accel.sweep(
        [config], tmp_path / "sweep", [sys.executable, small_launch.__file__, "launch/train.py"], grid=grid
    )
    text = mtl_accel.write_comparison(done)
    expected = "so optimizer.dampening had no effect (optimizer.dampening: 0.5 dampens the momentum"
    logs = [(member.folder / "log.txt").read_text() for member in done.members]
    assert ["optimizer.dampening: 0.5 dampens the momentum" in log for log in logs] == [False, True]
    assert expected in text and expected in (tmp_path / "sweep" / "comparison.md").read_text()
