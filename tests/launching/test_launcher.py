"""`run_processes`: exit codes and signals pass through it, and its processes have the last word."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import ending
import psutil
import pytest
import torch
from real_runs import Processes, finish, fork

from mtl_accel.core.errors import UserError
from mtl_accel.launching import run_processes

TESTS = Path(__file__).parents[1] / "processes"


@pytest.fixture(autouse=True)
def where_the_module_is_found(monkeypatch: pytest.MonkeyPatch, not_launched: None) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=":")


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        (["0", "0"], 0),
        (["0", "2"], 2),  # an error of the user's on one process
        (["85", "85"], 85),  # a run that has stopped
        (["sleep", "85"], 85),  # whose first process was late, and ended by the launcher
        (["2", "1"], 1),  # a crash, and the process that has lost the other
        (["SIGKILL", "sleep"], 137),
        (["0", "0", "0"], 0),
    ],
    ids=str,
)
def test_the_exit_code_is_that_of_the_processes(codes: list[str], code: int) -> None:
    assert run_processes("ending", codes, len(codes)) == code


def test_a_process_that_was_killed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_processes("ending", ["0", "SIGKILL"], 2) == 128 + signal.SIGKILL
    assert capsys.readouterr().err == "error: process 1 was ended by SIGKILL\n"


def start(tmp_path: Path, *ends: str) -> Processes:
    printed = tmp_path / "printed"
    printed.touch()
    environment = {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": os.environ["PYTHONPATH"]}
    return fork(ending.launch, list(ends), environment, printed, 1)


def test_an_error_that_all_have_is_printed_once_and_is_all_that_is_printed(tmp_path: Path) -> None:
    assert finish(start(tmp_path, "error", "error")) == (2, "error: the same on every process\n")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_a_signal_reaches_every_process_and_none_is_left(tmp_path: Path, name: str) -> None:
    started = start(tmp_path, "wait", "wait")
    while started.output().count("waits") < 2:
        assert started.alive()
        time.sleep(0.02)
    below = psutil.Process(started.pid).children(recursive=True)
    started.send_signal(signal.Signals[name])
    code, printed = finish(started)
    assert code == 85
    assert sorted(line for line in printed.splitlines() if "got" in line) == [f"0 got {name}", f"1 got {name}"]
    assert len(below) >= 2 and not any(process.is_running() for process in below)


def test_more_processes_than_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ACCELERATE_USE_CPU")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    with pytest.raises(UserError, match=r"--processes: 3 is more than the 2 devices \(cuda\).*ACCELERATE_USE_CPU=true"):
        run_processes("ending", ["0", "0", "0"], 3)


@pytest.mark.parametrize("name", ["WORLD_SIZE", "LOCAL_RANK", "ACCELERATE_MIXED_PRECISION"])
def test_a_process_of_a_launcher_starts_no_others(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "2")
    with pytest.raises(UserError, match=rf"--processes: a launcher has started this process \({name} is 2\)"):
        run_processes("ending", ["0", "0"], 2)
