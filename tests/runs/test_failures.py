"""A launch that loses one of its processes says so in words, and can be resumed."""

import os
import signal
import time
from pathlib import Path

import pytest
import real_runs as runs

from mtl_accel.core.errors import UserError
from mtl_accel.runs.failures import FailureLog


def last_step(config: Path) -> int:
    return len(list((runs.run_dir(config) / "checkpoints").glob("step-*")))


@pytest.mark.slow
def test_a_process_that_was_killed_is_told_by_the_others_and_the_run_resumes(tmp_path):
    source = runs.write_source(tmp_path / "source", num_train=37, num_validation=13)
    config = runs.write_config(tmp_path / "c.json", source, epochs=400, checkpoint_every_steps=2)
    started = runs.start(config, processes=2)
    deadline = time.monotonic() + 120
    while not last_step(config):
        assert started.alive() and time.monotonic() < deadline, started.output()
        time.sleep(0.02)
    os.kill(started.members[1].pid, signal.SIGKILL)
    _, output = runs.finish(started)
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert "another process of this launch was ended without a message" in line and "the run resumes" in line
    assert "Traceback" not in output
    assert runs.status(config)["message"].startswith("process 0: another process of this launch was ended")
    assert started.codes()[0] == 2


def raised(folder: Path, error: Exception) -> BaseException:
    with pytest.raises(BaseException) as caught, FailureLog(folder, 1).reported_once():
        raise error
    return caught.value


def test_a_lost_connection_after_another_process_s_own_error_stays_silent(tmp_path):
    assert FailureLog(tmp_path, 0).add(ValueError("the cause"))
    ended = raised(tmp_path, RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:1"))
    assert isinstance(ended, SystemExit) and FailureLog(tmp_path, 1).cause() == "process 0: the cause"


def test_any_other_error_passes_as_it_is(tmp_path):
    error = RuntimeError("a bug of ours")
    assert raised(tmp_path, error) is error
    (tmp_path / "failures.txt").unlink()
    assert isinstance(raised(tmp_path, RuntimeError("Connection reset by peer")), UserError)
