"""What was started is what was asked for, or the run refuses with the right command; settings files are silent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from gloo_lines import without_gloo

from mtl_accel.config import Config, read_json, validate
from mtl_accel.core.errors import UserError
from mtl_accel.launching.accelerator import check_accelerator, start_accelerator, start_inference_accelerator

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("not_launched")]

SETTINGS = sorted(Path("launch/accelerate").glob("*.yaml"))
LAUNCH = [sys.executable, "-m", "accelerate.commands.launch"]
WHO = """
import pathlib
from accelerate import Accelerator
accelerator = Accelerator()
pathlib.Path(f"who-{accelerator.process_index}").write_text(str(accelerator.num_processes))
accelerator.end_training()
"""
# Runs a script and waits for its neighbour's end, since the launcher kills all when the first one fails.
PATIENT = """
import os, pathlib, runpy, sys, time
script, rank = sys.argv[1], int(os.environ["RANK"])
sys.argv = sys.argv[1:]
try:
    runpy.run_path(script, run_name="__main__")
    code = 0
except SystemExit as end:
    code = end.code
pathlib.Path(f"ended-{rank}").write_text(str(code))
end = time.monotonic() + 120
while not pathlib.Path(f"ended-{1 - rank}").exists() and time.monotonic() < end:
    time.sleep(0.05)
sys.exit(code)
"""


def config_of(**changes) -> Config:
    path = Path("configs/quickstart.json")
    return validate(read_json(path) | {"batch_size": 64} | changes, str(path))


def refused(environment: dict[str, str] | None = None, **changes) -> list[str]:
    with pytest.raises(UserError) as caught:
        start_accelerator(config_of(**changes), environment or {})
    return caught.value.problems


def test_one_process_runs_the_whole_batch_and_steps_its_own_schedule():
    accelerator, micro_batch_size = start_accelerator(config_of(), {})
    assert micro_batch_size == 64 and accelerator.num_processes == 1 and accelerator.device.type == "cpu"
    assert not accelerator.step_scheduler_with_optimizer and accelerator.gradient_accumulation_steps == 1


def test_the_config_s_micro_batch_is_taken_as_it_stands():
    assert start_accelerator(config_of(micro_batch_size=16), {})[1] == 16


@pytest.mark.parametrize(
    ("configured", "launched", "expected"),
    [(None, "bf16", "bf16"), ("bf16", None, "bf16"), ("no", "bf16", "no"), ("bf16", "no", "bf16")],
)
def test_the_launcher_s_precision_holds_where_the_config_says_none(monkeypatch, configured, launched, expected):
    if launched is not None:
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    assert start_accelerator(config_of(mixed_precision=configured))[0].mixed_precision == expected


def test_runs_one_after_another_in_one_process_have_each_its_precision():
    start_inference_accelerator("launch/predict.py", 1, {})
    for precision in ("bf16", "no", "bf16"):
        assert start_accelerator(config_of(mixed_precision=precision))[0].mixed_precision == precision


@pytest.mark.parametrize("launched", [None, "no"])  # which the launcher says where nobody said anything
def test_where_nobody_says_a_precision_the_faster_one_is_taken_and_kept(monkeypatch, tmp_path, launched):
    if launched is not None:
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", launched)
    config = config_of(mixed_precision=None)
    found = start_accelerator(config, cache=tmp_path)[0].mixed_precision
    (key,) = json.loads((tmp_path / "precision.json").read_text())
    other = {"no": "bf16", "bf16": "no"}[found]
    (tmp_path / "precision.json").write_text(json.dumps({key: other}))
    AcceleratorState._reset_state(reset_partial_state=True)
    assert start_accelerator(config, cache=tmp_path)[0].mixed_precision == other


def test_fp16_on_a_cpu_is_refused_from_the_config_and_from_the_launcher(monkeypatch):
    (problem,) = refused(mixed_precision="fp16")
    assert 'mixed_precision: "fp16"' in problem and '"bf16" or "no"' in problem
    AcceleratorState._reset_state(reset_partial_state=True)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")
    assert refused({"ACCELERATE_MIXED_PRECISION": "fp16"}) == [problem]


def test_all_that_does_not_fit_the_machine_is_told_at_once():
    precision, batchnorm = refused(mixed_precision="fp16", sync_batchnorm=True)
    assert precision.startswith("mixed_precision") and batchnorm.startswith("sync_batchnorm")


def test_a_tracker_that_is_not_there_is_refused_before_anything_starts():
    (problem,) = refused(trackers=["tensorbord"])
    assert "'tensorbord' is none of" in problem
    assert not AcceleratorState._shared_state


@pytest.mark.parametrize("world_size", [2, 8])
def test_processes_that_did_not_find_one_another_are_refused_with_the_right_command(world_size):
    (problem,) = refused({"WORLD_SIZE": str(world_size)})
    assert f"WORLD_SIZE is {world_size}, but this process found 1" in problem
    assert f"ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes {world_size} " in problem


class OfThree:
    """What `check` looks at, as the Accelerator of one of three processes would show it."""

    num_processes, mixed_precision, device = 3, "no", torch.device("cpu")
    distributed_type = DistributedType.MULTI_CPU


class Sharded(OfThree):
    distributed_type = DistributedType.FSDP


def test_sizes_that_do_not_divide_are_refused_with_sizes_that_do():
    with pytest.raises(UserError, match=r"batch_size: 64 cannot be dealt to 3 processes; set it to 63 or 66"):
        check_accelerator(OfThree(), config_of())
    with pytest.raises(UserError, match=r"micro-batches of 16 .* 3 processes; set batch_size to a multiple of 48"):
        check_accelerator(OfThree(), config_of(micro_batch_size=16))
    assert check_accelerator(OfThree(), config_of(batch_size=48)) == 16


def test_sharded_training_is_refused_by_name():
    with pytest.raises(UserError, match=r"FSDP is not supported.*many_gpus\.yaml"):
        check_accelerator(Sharded(), config_of(batch_size=48))


def launch(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess:
    """Run under `accelerate launch`, with no settings of the user's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ACCELERATE_")}
    environment = kept | {"HF_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"} | variables
    return subprocess.run(
        [*LAUNCH, *arguments], env=environment, cwd=folder, capture_output=True, text=True, timeout=240, check=False
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU the processes would find one another")
def test_two_trainings_that_know_nothing_of_one_another_both_refuse(tmp_path):
    script, config = Path("launch/train.py").resolve(), Path("configs/quickstart.json").resolve()
    (tmp_path / "patient.py").write_text(PATIENT)
    arguments = ["patient.py", str(script), "--config", str(config), "--run_dir", "run"]
    launched = ["--multi_gpu", "--num_processes", "2", "--main_process_port", "0"]
    found = launch(*launched, *arguments, folder=tmp_path)
    assert found.returncode != 0
    assert [(tmp_path / f"ended-{rank}").read_text() for rank in range(2)] == ["2", "2"], found.stderr
    # Each says it once; torchrun repeats it behind names of its own in the report on its end.
    told = [line for line in found.stderr.splitlines() if line.startswith("error: WORLD_SIZE is 2, but this process")]
    right = "ACCELERATE_USE_CPU=true accelerate launch --multi_gpu --num_processes 2 launch/train.py"
    assert len(told) == 2 and all(right in line for line in told), found.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("name", "world_size"), [("cpu", 2), ("one_gpu", 1)])
def test_a_settings_file_starts_its_processes_and_prints_nothing_of_its_own(tmp_path, name, world_size):
    script = tmp_path / "who.py"
    script.write_text(WHO)
    settings = str(Path(f"launch/accelerate/{name}.yaml").resolve())
    several = ["--main_process_port", "0"] if world_size > 1 else []
    variables = {"ACCELERATE_USE_CPU": "true"} if name == "cpu" else {}
    found = launch("--config_file", settings, *several, str(script), folder=tmp_path, **variables)
    assert (found.returncode, without_gloo(found.stdout), found.stderr) == (0, "", "")
    assert [path.read_text() for path in tmp_path.glob("who-*")] == [str(world_size)] * world_size


@pytest.mark.parametrize("path", SETTINGS, ids=lambda path: path.name)
def test_a_settings_file_leaves_nothing_to_defaults(path, caplog):
    arguments = launch_command_parser().parse_args(["--config_file", str(path), "launch/train.py"])
    checked, *_ = _validate_launch_command(arguments)
    assert not caplog.records
    assert checked.multi_gpu == (path.name != "one_gpu.yaml") and checked.mixed_precision == "no"
    expected = {"cpu": (1, 2), "one_gpu": (1, 1), "many_gpus": (1, 8), "many_nodes": (2, 16)}
    assert (checked.num_machines, checked.num_processes) == expected[path.stem]


def test_the_cases_know_every_settings_file():
    assert {path.stem for path in SETTINGS} == {"cpu", "one_gpu", "many_gpus", "many_nodes"}


def test_inference_starts_on_any_number_of_processes_with_the_same_checks(monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp16")  # the model brings its own
    accelerator = start_inference_accelerator("launch/predict.py", 1, {})
    assert accelerator.num_processes == 1 and accelerator.device.type == "cpu" and torch.get_num_threads() == 1
    with pytest.raises(UserError, match=r"WORLD_SIZE is 2, .* --num_processes 2 launch/predict\.py"):
        start_inference_accelerator("launch/predict.py", 1, {"WORLD_SIZE": "2"})
