"""Nothing is lost when a run is killed, told to stop, or fails: real processes, real signals."""

import json
import signal
import time
from pathlib import Path

import kill_many
import psutil
import pytest
import real_runs as runs

from mtl_accel.training import early_stopping
from mtl_accel.training.state import Progress

pytestmark = pytest.mark.slow

LONG = {"epochs": 400, "checkpoint_every_steps": 5}  # stopped by the test, never finished


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=13)


def wait_until(process: runs.Processes, happened, timeout_seconds: float = 120) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not happened():
        assert process.alive(), process.output()
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def start_training(config: Path, **options) -> runs.Processes:
    """A run that has written its first checkpoint."""
    process = runs.start(config, **options)
    wait_until(process, lambda: kill_many.last_step(config) > 0)
    return process


def ranks_of(process: runs.Processes) -> list[psutil.Process]:
    """The training processes below a launcher, by rank."""
    family = psutil.Process(process.pid).children(recursive=True)
    ranks = [p for p in family if "LOCAL_RANK" in p.environ() and "small_run.py" in " ".join(p.cmdline())]
    return sorted(ranks, key=lambda p: int(p.environ()["LOCAL_RANK"]))


def test_killed_run_resumes_to_the_same_weights(tmp_path):
    outcome = kill_many.kill_many(tmp_path, kills=8, worlds=[1])
    assert outcome == {"kills": 8, "resumes": 8, "steps_lost": 0, "finished": "finished", "equal": True}


def test_run_killed_on_one_number_of_processes_resumes_on_another(tmp_path):
    outcome = kill_many.kill_many(tmp_path, kills=2, worlds=[1, 2])
    assert outcome == {"kills": 2, "resumes": 2, "steps_lost": 0, "finished": "finished", "equal": True}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_saves_and_ends_with_85(source, tmp_path, number):
    config = runs.write_config(tmp_path / "c.json", source, **LONG)
    process = start_training(config)
    process.send_signal(number)
    code, output = runs.finish(process)
    status = runs.status(config)
    assert code == 85, output
    assert (status["status"], status["exit_code"], status["message"]) == ("stopped", 85, number.name)
    assert kill_many.last_step(config) == status["epoch"] * 5 + status["step"]
    message = early_stopping.stop_message(number.name, Progress(status["epoch"], status["step"]), resumes=True)
    log = (runs.run_dir(config) / "log.txt").read_text()
    assert output.count(f"{message}\n") == log.count(f"{message}\n") == 1 and log.endswith(f"{message}\n")


def test_sigterm_to_one_of_two_saves_on_both_and_the_resumed_run_ends_with_the_same_weights(source, tmp_path):
    changes = {"epochs": 60, "checkpoint_every_steps": 5}
    config = runs.write_config(tmp_path / "told" / "c.json", source, **changes)
    alone = runs.write_config(tmp_path / "alone" / "c.json", source, **changes)
    process = start_training(config, processes=2, launcher="torchrun")
    ranks_of(process)[1].send_signal(signal.SIGTERM)
    _, output = runs.finish(process)
    status = runs.status(config)
    assert (status["status"], status["exit_code"]) == ("stopped", 85), output
    assert output.count("stopped by a signal to another process ") == 1
    runs.run(config, processes=2)
    runs.run(alone)
    assert runs.digest(config) == runs.digest(alone)


def test_a_checkpoint_is_written_by_the_clock(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, epochs=400, checkpoint_every_minutes=1e-4)
    process = runs.start(config)
    wait_until(process, lambda: kill_many.last_step(config) % 5 != 0)
    process.kill()


def test_a_second_start_is_refused_and_names_the_first(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, **LONG)
    first = start_training(config)
    code, output = runs.finish(runs.start(config))
    assert code == 2
    assert f":{first.pid} since" in output
    assert "Traceback" not in output
    first.kill()


def test_processes_whose_launcher_is_gone_save_and_stop(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, **LONG)
    process = start_training(config, processes=2, launcher="accelerate")
    ranks = ranks_of(process)
    assert len(ranks) == 2
    launcher = ranks[0].parent()
    launcher.kill()
    _gone, alive = psutil.wait_procs(ranks, timeout=30)
    assert not alive
    process.kill()
    assert (runs.status(config)["status"], runs.status(config)["message"]) == ("stopped", "the launcher is gone")
    state = json.loads((runs.run_dir(config) / "checkpoints" / "last" / "state.json").read_text())
    assert state["num_processes"] == 2


@pytest.mark.parametrize("rank", [0, 1])
def test_an_exception_on_one_process_ends_all_and_is_told_once(source, tmp_path, rank):
    config = runs.write_config(tmp_path / "c.json", source)
    code, output = runs.finish(runs.start(config, processes=2, launcher="accelerate", FAIL_ON_RANK=str(rank)))
    assert code != 0
    assert output.count(f"RuntimeError: injected on process {rank}") == 1
    assert "Connection" not in output
    assert runs.status(config)["message"] == f"process {rank}: injected on process {rank}"


def test_a_loss_that_is_not_finite_stops_the_run_before_it_is_saved(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, log_every_steps=2, checkpoint_every_steps=1)
    code, output = runs.finish(runs.start(config, NAN_AT_STEP="3"))
    assert code == 2
    for part in ("epoch 1, step 4", "category nan", "learning rate 0.003", "samples ", ".png"):
        assert part in output
    assert "Traceback" not in output
    assert kill_many.last_step(config) == 3


def test_a_finished_run_is_not_run_again_without_overwrite(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source)
    runs.run(config)
    first = runs.digest(config)
    code, output = runs.finish(runs.start(config))
    assert code == 2
    assert "--overwrite" in output
    runs.run(config, "--overwrite")
    assert runs.digest(config) == first


def test_resuming_under_another_config_or_data_says_what_differs(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, **LONG)
    process = start_training(config)
    process.send_signal(signal.SIGTERM)
    runs.finish(process)
    other = {"epochs": 401, "optimizer": {"name": "AdamW", "lr": 0.001}, "run_dir": str(runs.run_dir(config))}
    changed = runs.write_config(tmp_path / "changed.json", source, **{**LONG, **other})
    code, output = runs.finish(runs.start(changed))
    assert code == 2
    assert "optimizer.lr: is 0.001, and was 0.003" in output
    assert "epochs: is 401, and was 400" in output
    again = runs.start(changed, "--resume.allow_changes")
    step = kill_many.last_step(config)
    wait_until(again, lambda: kill_many.last_step(config) > step)
    again.send_signal(signal.SIGTERM)
    assert runs.finish(again)[0] == 85


@pytest.mark.parametrize(
    ("epoch", "step", "place"),
    [(1, 3, "in epoch 2 after step 3"), (1, 0, "after epoch 1"), (0, 0, "before the first step")],
)
def test_a_stopped_run_says_by_what_where_and_how_to_go_on(epoch, step, place):
    message = early_stopping.stop_message("SIGINT", Progress(epoch, step), resumes=True)
    assert message == f"stopped by SIGINT {place}, and saved; the same command resumes the run"
    message = early_stopping.stop_message("SIGINT", Progress(epoch, step), resumes=False)
    assert message.endswith("; the same command without --overwrite and --resume resumes the run")
