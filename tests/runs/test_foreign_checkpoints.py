"""A run that is to be resumed from a checkpoint of elsewhere: what no run saved is an error before the first step."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import real_runs as runs
import torch
from safetensors.torch import load_file, save_file

from mtl_accel.runs import manifest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    source = runs.write_source(tmp_path_factory.mktemp("source"), num_train=16, num_validation=8)
    config = runs.write_config(tmp_path_factory.mktemp("trained") / "c.json", source, epochs=1)
    runs.run(config)
    return config


def resume_with(trained: Path, folder: Path, edit: Callable[[Path], Any]) -> str:
    """What is printed by a run that resumes a copy of the trained one, whose last checkpoint was changed."""
    foreign = folder / "foreign"
    shutil.copytree(runs.run_dir(trained), foreign, symlinks=True)
    last = foreign / "checkpoints" / "last"
    edit(last)
    (last / manifest.NAME).unlink()
    manifest.write(last)
    config = folder / "c.json"
    config.write_text(json.dumps(json.loads(trained.read_text()) | {"run_dir": str(folder / "run"), "epochs": 2}))
    code, output = runs.finish(runs.start(config, "--resume", str(foreign), "--resume.allow_changes"))
    assert code == 2, output
    assert "Traceback" not in output and not list((folder / "run").rglob("model.safetensors"))
    return output


def set_state(path: str, value: Any) -> Callable[[Path], Any]:
    def edit(last: Path) -> None:
        state = json.loads((last / "state.json").read_text())
        *parents, key = path.split(".")
        part = state
        for parent in parents:
            part = part[parent]
        part[key] = value
        (last / "state.json").write_text(json.dumps(state))

    return edit


def set_tensor(group: str, name: str, tensor: torch.Tensor) -> Callable[[Path], Any]:
    def edit(last: Path) -> None:
        save_file({**load_file(last / f"{group}.safetensors"), name: tensor}, last / f"{group}.safetensors")

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (set_state("progress", []), "progress: Input should be"),
        (set_state("progress.epoch", -5), "progress: Value error, epoch and step count from 0"),
        (set_state("optimizer.state", []), "optimizer.state: Input should be a valid dictionary"),
        (set_state("config", None), "config: Input should be a valid dictionary"),
        (lambda last: (last / "state.json").write_text("[]"), "Input should be a valid dictionary"),
        (set_tensor("optimizer", "0.exp_avg", torch.zeros(3)), "exp_avg is [3] for a parameter of [8, 3, 3, 3]"),
        (set_tensor("optimizer", "x.exp_avg", torch.zeros(3)), "ValueError"),
    ],
)
def test_what_no_run_saved_is_refused(trained, tmp_path, edit, message):
    output = resume_with(trained, tmp_path, edit)
    assert message in output and "not a checkpoint that this version can resume" in output
