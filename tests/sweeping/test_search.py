"""A search goes on where it stopped, and comes to the same trials as one that never did."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import optuna
import pretend_run
import pytest

import mtl_accel
from mtl_accel.core.atomic_io import read_json
from mtl_accel.core.errors import UserError
from mtl_accel.sweeping.sweep import Sweep

pytestmark = pytest.mark.slow

QUICK = "configs/quickstart.json"
RUN = [sys.executable, pretend_run.__file__]
SPACE = {
    "optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True},
    "epochs": {"low": 1, "high": 9},
    "scheduler": {"choices": [None, {"name": "StepLR", "step_size": 2}]},
}


def searched(output: Path, trials: int, space: dict | None = None, seeds: Sequence[int] = (0, 1), **overrides) -> Sweep:
    overrides = {"select_by": "category/accuracy"} | overrides
    return mtl_accel.sweep([QUICK], output, RUN, search=space or SPACE, trials=trials, seeds=seeds, overrides=overrides)


def trials_of(output: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="sweep", storage=f"sqlite:///{output / 'optuna.db'}").trials


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A search that was never stopped."""
    output = tmp_path_factory.mktemp("whole")
    done = searched(output, 4)
    assert (len(done.members), done.failed, done.exit_code) == (8, {}, 0)
    return output


def test_a_trial_is_the_mean_over_seeds_with_what_was_drawn(whole):
    trials = trials_of(whole)
    assert len({trial.params["optimizer.lr"] for trial in trials}) == 4
    for trial in trials:
        values = []
        for seed in (0, 1):
            config = mtl_accel.read_config(whole / f"quickstart-trial{trial.number:03d}-seed{seed}" / "config.json")
            assert config.optimizer.lr == trial.params["optimizer.lr"] and config.epochs == trial.params["epochs"]
            assert (config.scheduler is None) == (trial.params["scheduler"] == "null")
            values.append(1 - (config.optimizer.lr - 0.001) ** 2 + seed / 1000)
        assert trial.value == pytest.approx(statistics.fmean(values))


def test_more_trials_go_on_and_the_same_number_runs_nothing(whole, tmp_path):
    first = searched(tmp_path, 2)
    assert len(first.members) == 4
    searched(tmp_path, 4)
    assert [trial.params for trial in trials_of(tmp_path)] == [trial.params for trial in trials_of(whole)]
    assert len(searched(tmp_path, 4).members) == 8
    starts = [path.read_text().count("started") for path in tmp_path.glob("*/starts.txt")]
    assert starts == [1] * 8


def test_a_search_that_is_killed_goes_on_with_the_open_trial(whole, tmp_path):
    (tmp_path / "HOLD").write_text("trial002-seed1")
    command = [sys.executable, "launch/sweep.py", "--config", QUICK, "--search", json.dumps(SPACE), "--trials", "4"]
    command += ["--seeds", "0,1", "--select_by", "category/accuracy", "--output", str(tmp_path)]
    killed = subprocess.Popen([*command, "--launch", " ".join(RUN)])
    status = tmp_path / "quickstart-trial002-seed1" / "status.json"
    deadline = time.monotonic() + 120
    while not status.is_file():
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    os.kill(read_json(status)["pid"], signal.SIGKILL)
    assert [trial.state.name for trial in trials_of(tmp_path)] == ["COMPLETE", "COMPLETE", "RUNNING"]
    (tmp_path / "HOLD").unlink()
    done = searched(tmp_path, 4)
    assert [member.name for member in done.members] == [
        f"quickstart-trial{number:03d}-seed{seed}" for number in range(4) for seed in (0, 1)
    ]
    found, expected = ([(t.params, t.value) for t in trials_of(output)] for output in (tmp_path, whole))
    assert found == expected
    starts = {path.parent.name: path.read_text().count("started") for path in tmp_path.glob("*/starts.txt")}
    assert {name for name, number in starts.items() if number > 1} == {"quickstart-trial002-seed1"}


def test_a_failed_trial_counts_and_is_told(tmp_path):
    (tmp_path / "FAIL").write_text("trial001")
    done = searched(tmp_path, 3)
    assert [trial.state.name for trial in trials_of(tmp_path)] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert sorted(done.failed) == ["quickstart-trial001-seed0", "quickstart-trial001-seed1"]
    assert done.exit_code == 1 and len(done.members) == 4


@pytest.mark.parametrize(
    ("select_by", "direction", "value"),
    [("mean", "MAXIMIZE", 0.75), ("loss", "MINIMIZE", 0.0), ("attribute/f1_macro", "MAXIMIZE", 0.5)],
)
def test_a_search_goes_where_select_by_points(tmp_path, select_by, direction, value):
    space = {"optimizer.lr": {"choices": [0.001]}}
    searched(tmp_path, 1, space, seeds=(0,), select_by=select_by)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert study.direction.name == direction and study.best_value == pytest.approx(value)


def test_another_search_in_the_same_folder_is_refused(whole):
    for changes, words in (
        ({"space": {"epochs": {"low": 1, "high": 3}}}, "another space"),
        ({"seeds": (0,)}, "another seeds"),
        ({"batch_size": 64}, "another batch_size"),
    ):
        with pytest.raises(UserError, match=f"optuna.db: holds a search with {words}"):
            searched(whole, 4, **changes)
    assert len(searched(whole, 4, **{"data.num_workers": 0}).members) == 8


def test_a_search_of_before_there_was_some_knob_goes_on(whole, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    study = optuna.load_study(study_name="sweep", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    saved = study.user_attrs["search"]
    del saved["config"]["data"]["encoding"], saved["config"]["ema_decay"]
    study.set_user_attr("search", saved)
    assert len(searched(tmp_path, 4).members) == 8


def test_wrong_knobs_and_ends_of_the_space_are_told_before_the_first_trial(tmp_path):
    space = {"optimizer.lrr": {"choices": [1]}, "optimizer.lr": {"low": -1.0, "high": 1.0}, "seed": {"choices": [1]}}
    with pytest.raises(UserError, match="seed cannot be varied there"):
        searched(tmp_path / "a", 3, space)
    del space["seed"]
    with pytest.raises(UserError) as caught:
        searched(tmp_path / "a", 3, space)
    assert sorted(problem.split(": ")[1] for problem in caught.value.problems) == ["optimizer.lr", "optimizer.lrr"]
    assert not (tmp_path / "a").exists()


def test_a_missing_optuna_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UserError, match=r"optuna cannot be imported.*pip install 'mtl_accel\[sweep\]'"):
        searched(tmp_path, 3)
