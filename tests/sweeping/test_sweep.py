"""A sweep of real processes: what fails does not end the others, what is stopped or killed goes on."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pretend_run
import pytest
import real_runs as runs
import small_launch

import mtl_accel
from mtl_accel.core.errors import UserError
from mtl_accel.sweeping.sweep import Sweep

pytestmark = pytest.mark.slow

QUICK = "configs/quickstart.json"
PRETEND = [sys.executable, pretend_run.__file__]
SMALL = [sys.executable, small_launch.__file__]
# A launcher that waits for the run and passes no signal on, and turns every code but 0 into 1.
DEAF = ["sh", "-c", "'\"$@\" || exit 1'", "sh"]
GRID = {"optimizer.lr": [0.01, 0.001]}


def swept(output: Path, command: list[str] = PRETEND, **changes) -> Sweep:
    return mtl_accel.sweep([QUICK], output, command, **{"grid": GRID, **changes})


class Script:
    """launch/sweep.py at work; what is left of it and of its runs is killed in the end."""

    def __init__(self, output: Path, *options: str, launch: list[str] = PRETEND, config: str = QUICK) -> None:
        self.output, self.printed = output, output.with_name("printed.txt")
        command = [sys.executable, "launch/sweep.py", "--config", config, "--output", str(output), *options]
        with self.printed.open("w") as out:
            self.process = subprocess.Popen([*command, "--launch", " ".join(launch)], stdout=out, stderr=out)

    def wait_until(self, happened: Callable[[], object]) -> None:
        deadline = time.monotonic() + 200
        while not happened():
            assert self.process.poll() is None and time.monotonic() < deadline, self.printed.read_text()
            time.sleep(0.02)

    def status(self, name: str) -> dict:
        path = self.output / name / "status.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def kill(self, name: str | None = None) -> None:
        """SIGKILL the sweep; and a run's main process."""
        self.process.kill()
        self.process.wait()
        if name is not None:
            os.kill(self.status(name)["pid"], signal.SIGKILL)

    def end(self) -> tuple[int, str]:
        return self.process.wait(200), self.printed.read_text()


@pytest.fixture
def start() -> Iterator[Callable[..., Script]]:
    started: list[Script] = []

    def one(*given, **named) -> Script:
        started.append(Script(*given, **named))
        return started[-1]

    yield one
    for script in started:
        script.process.kill()
        script.process.wait()


def starts(output: Path) -> dict[str, int]:
    return {path.parent.name: path.read_text().count("started") for path in sorted(output.glob("*/starts.txt"))}


def test_a_sweep_that_is_killed_in_the_middle_goes_on_with_the_run_in_the_middle(tmp_path, start):
    source = runs.write_source(tmp_path / "shapes", num_train=37, num_validation=13)
    config = str(runs.write_config(tmp_path / "tiny.json", source))
    options = ("--seeds", "0,1", "--epochs", "12")
    output = tmp_path / "out"
    first = start(output, *options, config=config, launch=SMALL)
    first.wait_until((output / "tiny-seed1" / "checkpoints" / "last").exists)
    first.kill("tiny-seed1")
    assert [first.status(f"tiny-seed{seed}")["status"] for seed in (0, 1)] == ["finished", "running"]
    code, printed = start(output, *options, config=config, launch=SMALL).end()
    assert code == 0, printed
    assert "1 of 2: tiny-seed0 has finished before" in printed and "resuming at epoch" in printed
    figures = []
    for seed in (0, 1):
        rows = [json.loads(line) for line in (output / f"tiny-seed{seed}" / "log.jsonl").read_text().splitlines()]
        assert [row["epoch"] for row in rows if row["event"] == "epoch"] == list(range(1, 13))
        figures.append(rows[-1]["best"]["category/accuracy"])
    words = f"{statistics.fmean(figures):.4f} ± {statistics.stdev(figures):.4f}"
    assert words in printed and words in (output / "comparison.md").read_text()
    means = pd.read_csv(output / "means.csv")
    assert means["config"].tolist() == ["tiny"] and means["runs"].tolist() == [2]
    assert means["category/accuracy_mean"][0] == pytest.approx(statistics.fmean(figures))
    assert pd.read_csv(output / "runs.csv")["category/accuracy"].tolist() == pytest.approx(figures)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("launch", [PRETEND, [*DEAF, *PRETEND]], ids=["python", "deaf launcher"])
def test_a_signal_stops_the_run_at_work_and_the_sweep_with_85(tmp_path, start, number, launch):
    output, at_work = tmp_path / "out", "quickstart-lr=0.01-seed0"
    output.mkdir()
    (output / "HOLD").write_text(at_work)
    script = start(output, "--grid", json.dumps(GRID), launch=launch)
    script.wait_until(lambda: script.status(at_work).get("status") == "running")
    script.process.send_signal(number)
    code, printed = script.end()
    assert code == 85, printed
    assert script.status(at_work)["status"] == "stopped" and script.status(at_work)["message"] == "SIGTERM"
    assert starts(output) == {at_work: 1} and not (output / "comparison.md").exists()
    (output / "HOLD").unlink()
    assert len(swept(output).members) == 2 and starts(output)[at_work] == 2


def test_a_run_that_a_killed_sweep_left_behind_is_waited_for_and_counts(tmp_path, start):
    output, at_work = tmp_path / "out", "quickstart-lr=0.01-seed0"
    output.mkdir()
    (output / "HOLD").write_text(at_work)
    first = start(output, "--grid", json.dumps(GRID))
    first.wait_until(lambda: first.status(at_work).get("status") == "running")
    first.kill()
    second = start(output, "--grid", json.dumps(GRID))
    second.wait_until(lambda: "is still at work" in second.printed.read_text())
    assert f":{first.status(at_work)['pid']} since" in second.printed.read_text()
    (output / "HOLD").unlink()
    code, printed = second.end()
    assert code == 0, printed
    assert f"{at_work} has finished before" in printed
    assert starts(output) == {"quickstart-lr=0.001-seed0": 1, at_work: 1}


def test_a_second_sweep_into_the_same_folder_is_refused(tmp_path, start):
    output = tmp_path / "out"
    output.mkdir()
    (output / "HOLD").write_text("quickstart")
    script = start(output)
    script.wait_until(lambda: script.status("quickstart-seed0").get("status") == "running")
    with pytest.raises(UserError, match=f":{script.process.pid} since"):
        swept(output)
    script.kill("quickstart-seed0")


def test_a_run_that_fails_is_told_and_tried_again_and_the_others_run(tmp_path):
    (tmp_path / "FAIL").write_text("lr=0.01-")
    done = swept(tmp_path, seeds=[0, 1])
    assert done.failed == {
        f"quickstart-lr=0.01-seed{seed}": "a failure that was asked for (exit code 1)" for seed in (0, 1)
    }
    assert [member.name for member in done.members] == [f"quickstart-lr=0.001-seed{seed}" for seed in (0, 1)]
    assert (done.exit_code, done.stopped) == (1, False)
    (tmp_path / "FAIL").unlink()
    again = swept(tmp_path, seeds=[0, 1])
    assert (len(again.members), again.failed, again.exit_code) == (4, {}, 0)
    assert sorted(starts(tmp_path).values()) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("script", "message"),
    [("exit 3", "(exit code 3)"), ("exit 0", "(exit code 0)"), ("kill -9 $$", "(killed by SIGKILL)")],
)
def test_a_run_that_dies_without_a_word_is_told_by_its_exit(tmp_path, script, message):
    done = swept(tmp_path, ["sh", "-c", script, "sh"])
    assert list(done.failed.values()) == [f"ended without a message {message}; what it printed is above"] * 2
    assert done.exit_code == 1


def test_the_status_of_an_earlier_start_is_not_taken_for_this_one_s(tmp_path):
    (tmp_path / "FAIL").write_text("lr=0.01-")
    swept(tmp_path)
    done = swept(tmp_path, ["sh", "-c", "exit 2", "sh"])
    assert done.failed == {
        "quickstart-lr=0.01-seed0": "ended without a message (exit code 2); what it printed is above"
    }


def test_the_comparison_shows_what_was_varied_the_best_first(tmp_path):
    done = swept(tmp_path, seeds=[0, 1, 2], overrides={"select_by": "category/accuracy"})
    text = mtl_accel.write_comparison(done)
    best, worse = [line.split(" | ") for line in text.splitlines() if line.startswith("| quickstart")]
    assert best[:4] == ["| quickstart-lr=0.001", "0.001", "3", "1.0010 ± 0.0010"]
    assert worse[:3] == ["| quickstart-lr=0.01", "0.01", "3"]
    table = pd.read_csv(tmp_path / "runs.csv")
    assert table["optimizer.lr"].tolist() == [0.01] * 3 + [0.001] * 3 and table["seed"].tolist() == [0, 1, 2] * 2
    assert pd.read_csv(tmp_path / "means.csv")["optimizer.lr"].tolist() == [0.001, 0.01]
    assert text in (tmp_path / "comparison.md").read_text()


def test_the_script_tells_failures_last_and_wrong_keys_first(tmp_path, start):
    output = tmp_path / "out"
    output.mkdir()
    (output / "FAIL").write_text("lr=0.01-")
    code, printed = start(output, "--grid", json.dumps(GRID)).end()
    assert code == 1
    assert printed.splitlines()[-1].startswith(f"failed: {output / 'quickstart-lr=0.01-seed0'}: a failure that was")
    assert "| quickstart-lr=0.001-seed0 |" in printed
    code, printed = start(output, "--grid", '{"optimizer.lrr": [1]}', "--epoch", "2").end()
    assert code == 2 and sorted(printed.splitlines()) == [
        "error: --epoch: no such key (got 2); did you mean 'epochs'?",
        "error: --grid: optimizer.lrr: no such key (got 1); did you mean 'lr'?",
    ]
