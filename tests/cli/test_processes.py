"""Commands with --processes and under other launchers: real runs, signals and pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import real_runs as runs

pytestmark = pytest.mark.slow

HERE = [sys.executable, "-m", "mtl_accel"]
ON_CPU = {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(runs.ROOT)}
LAUNCHERS = {
    "accelerate": ["-m", "accelerate.commands.launch", "--quiet", "--num_processes", "1", "-m", "mtl_accel"],
    "torchrun": [*runs.torchrun(2), "-m", "mtl_accel"],
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    source = runs.write_source(folder / "source", 48, 16)
    model = {"name": "resnet18_linear", "weights": None}
    return runs.write_config(folder / "config.json", source, model=model, epochs=3, run_dir=str(folder / "whole"))


def start(folder: Path, *command: str) -> runs.Processes:
    printed = folder / "printed.txt"
    with printed.open("a") as out:
        environment = {name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK")} | ON_CPU
        process = subprocess.Popen(list(command), cwd=folder, env=environment, stdout=out, stderr=out)
    return runs.Processes([process], printed)


def wait_for(started: runs.Processes, text: str) -> None:
    while text not in started.output():
        assert started.alive(), started.output()
        time.sleep(0.02)


def status(run: Path) -> dict:
    return json.loads((run / "status.json").read_text())


def test_a_run_that_is_stopped_saves_leaves_no_process_and_ends_like_one_that_was_not(
    config: Path, tmp_path: Path
) -> None:
    train = ["--config", str(config), "--run_dir", str(tmp_path / "run"), "--data.num_workers", "1"]
    started = start(tmp_path, *HERE, "train", *train, "--processes", "2")
    wait_for(started, "===== Epoch 1 =====")
    below = psutil.Process(started.pid).children(recursive=True)
    started.send_signal(signal.SIGTERM)
    code, printed = runs.finish(started)
    assert code == 85, printed
    assert [process for process in below if process.is_running()] == []
    assert status(tmp_path / "run")["status"] == "stopped" and "stopped by SIGTERM" in printed
    assert "resuming at epoch" in runs.run(config, *train[2:])  # on one process
    runs.run(config)
    models = [run / "model" / "model.safetensors" for run in (runs.run_dir(config), tmp_path / "run")]
    assert models[0].read_bytes() == models[1].read_bytes()


def test_a_wrong_config_is_reported_before_any_process_starts(config: Path, tmp_path: Path) -> None:
    wrong = start(tmp_path, *HERE, "train", "--config", str(config), "--epochs", "0", "--processes", "2")
    code, printed = runs.finish(wrong)
    assert code == 2 and printed.startswith("error: --epochs: ") and printed.count("\n") == 1


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_an_error_of_the_user_is_all_that_two_processes_print(command: str, tmp_path: Path) -> None:
    output = ["--output", "out"] if command == "predict" else []
    code, printed = runs.finish(start(tmp_path, *HERE, command, "--run", "none", *output, "--processes", "2"))
    assert code == 2
    assert printed == "error: --run: none holds no config.json; give the folder of a run, such as runs/v5\n"


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_an_error_of_the_user_is_the_last_word_of_other_launchers_too(launcher: str, tmp_path: Path) -> None:
    command = [sys.executable, *LAUNCHERS[launcher], "report", "none"]
    code, printed = runs.finish(start(tmp_path, *command))
    last = [line for line in printed.splitlines() if line.strip("= ")][-1]
    assert code == 1 and "error: " in last and "none: is no folder" in last


def test_a_run_whose_output_is_closed_goes_on_and_its_log_has_all_of_it(config: Path, tmp_path: Path) -> None:
    line = '"$@" --processes 2 2>&1 | head -n 1; echo "${PIPESTATUS[0]}"'
    train = [*HERE, "train", "--config", str(config), "--run_dir", str(tmp_path / "run"), "--epochs", "2"]
    code, printed = runs.finish(start(tmp_path, "bash", "-c", line, "bash", *train))
    assert code == 0 and printed.splitlines()[-1] == "0" and len(printed.splitlines()) == 2
    assert status(tmp_path / "run")["status"] == "finished"
    log = (tmp_path / "run" / "log.txt").read_text()
    assert log.startswith("starting: ") and "===== Epoch 2 =====" in log and "best epoch" in log.splitlines()[-1]
