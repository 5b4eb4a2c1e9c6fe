"""batch_size "auto": the largest batch whose step fits, and then a run like any other with that number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import little_memory
import pytest
import real_runs as runs
import torch
from accelerate.state import AcceleratorState, GradientState

import mtl_accel
from mtl_accel.core.errors import UserError
from mtl_accel.training.memory import auto_batch

pytestmark = pytest.mark.slow

LARGE = [{"name": "Resize", "size": [384, 384]}, {"name": "Normalize"}]
NOTE = "The learning rate is the config's and does not change with it"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("drawn"), num_train=70, num_validation=8)


def auto_config(path: Path, source: Path, **changes: object) -> Path:
    return runs.write_config(path, source, **{"batch_size": "auto", "micro_batch_size": None, **changes})


def found_with(megabytes: int, config: Path) -> int:
    command = [sys.executable, little_memory.__file__, str(config), str(megabytes)]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system has such a limit")
def test_a_step_that_would_take_more_than_is_free_is_halved_before_it_is_tried(source: Path, tmp_path: Path) -> None:
    config = auto_config(tmp_path / "c.json", source, transforms={"train": LARGE, "eval": LARGE})
    assert 1 <= found_with(120, config) < auto_batch.FIRST_ON_CPU


def test_a_step_that_runs_out_of_memory_is_halved(source: Path, tmp_path: Path) -> None:
    assert found_with(0, auto_config(tmp_path / "c.json", source)) == 8


def test_a_run_writes_its_size_and_is_to_the_bit_the_run_of_that_number(source: Path, tmp_path: Path) -> None:
    config, number = auto_config(tmp_path / "a" / "c.json", source), tmp_path / "n" / "c.json"
    out = runs.run(config)
    assert f'"auto": 64 samples (the first size tried, on cpu); to keep it, write "batch_size": 64. {NOTE}' in out
    assert json.loads((runs.run_dir(config) / "config.json").read_text())["batch_size"] == 64
    runs.run(runs.write_config(number, source, batch_size=64, micro_batch_size=None))
    assert runs.digest(config) == runs.digest(number)


def test_a_run_that_resumes_keeps_the_size_that_it_began_with(source: Path, tmp_path: Path) -> None:
    config = runs.write_config(tmp_path / "c.json", source, batch_size=16, micro_batch_size=None, epochs=1)
    runs.run(config)
    options = "--epochs", "2", "--resume", str(runs.run_dir(config)), "--resume.allow_changes"
    out = runs.run(config, "--batch_size", "auto", *options)
    assert 'batch_size "auto": 16, as it was found when the run began' in out
    assert "batch_size: is" not in out and "batch 16 in micro-batches of 16" in out


def test_two_processes_take_the_smallest_of_what_they_find(source: Path, tmp_path: Path) -> None:
    config = auto_config(tmp_path / "two.json", source, epochs=1)
    out = runs.run(config, processes=2)
    # 70 rows: 35 of each process, and so at most 32.
    assert "32 samples on each of 2 processes" in out and '"batch_size": 64' in out
    one = runs.write_config(tmp_path / "one" / "c.json", source, batch_size=64, micro_batch_size=32, epochs=1)
    runs.run(one)
    assert runs.digest(config) == runs.digest(one)


def test_debug_says_what_fits_and_then_takes_few_samples(source: Path, tmp_path: Path) -> None:
    out = runs.run(auto_config(tmp_path / "c.json", source), "--debug", "batches")
    assert 'write "batch_size": 64.' in out and "batch 8 in micro-batches of 8" in out


def test_a_micro_batch_size_beside_auto_is_an_error(source: Path, tmp_path: Path) -> None:
    code, out = runs.finish(runs.start(auto_config(tmp_path / "c.json", source, micro_batch_size=4)))
    assert (
        code == 2 and 'batch_size: "auto" looks for the largest forward pass that fits, and micro_batch_size 4' in out
    )


def test_what_needs_a_number_says_that_auto_is_none(source: Path, tmp_path: Path) -> None:
    raw = json.loads(auto_config(tmp_path / "c.json", source).read_text())
    config = mtl_accel.Config.model_validate({**raw, "model": {"name": "resnet18_linear"}})
    assert config.batch_size == "auto"
    with pytest.raises(UserError, match='batch_size: "auto" is found by training'):
        mtl_accel.find_lr(config)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def test_the_first_size_is_that_of_every_process(monkeypatch: pytest.MonkeyPatch, source: Path, tmp_path: Path) -> None:
    raw = json.loads(auto_config(tmp_path / "c.json", source).read_text()) | {"model": {"name": "resnet18_linear"}}
    config = mtl_accel.Config.model_validate(raw)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for available, size in ((False, auto_batch.FIRST_ON_CPU), (True, auto_batch.FIRST_ON_DEVICE)):
        monkeypatch.setattr(torch.accelerator, "is_available", lambda available=available: available)
        assert auto_batch.with_first_try(config).samples_per_step == 2 * size
    assert auto_batch.with_first_try(config.model_copy(update={"batch_size": 12})).samples_per_step == 12
