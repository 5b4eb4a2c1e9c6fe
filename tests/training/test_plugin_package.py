"""A package of somebody else's: installed, trained on two processes, stopped, resumed, exported, and missed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import kill_many
import pandas as pd
import pytest
import real_runs as runs

import mtl_accel
from mtl_accel.config import read_config, read_run_config
from mtl_accel.core.errors import UserError
from mtl_accel.core.plugins import identity
from mtl_accel.core.plugins.loading import load_plugin
from mtl_accel.core.plugins.registrations import registrations

pytestmark = pytest.mark.slow

PACKAGE = runs.ROOT / "tests" / "plugin_package"
MODULE = PACKAGE / "mtl_accel_shapes"
NAME = "mtl_accel_shapes"
TRAIN = str(runs.ROOT / "launch" / "train.py")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of processes in which pip has installed the package."""
    folder = tmp_path_factory.mktemp("site")
    copy = folder / "source"
    subprocess.run(["cp", "-r", str(PACKAGE), str(copy)], check=True)  # a build writes beside its sources
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "lib"), str(copy)], check=True)
    paths = [str(runs.ROOT), str(folder / "lib"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "ACCELERATE_USE_CPU": "true"}


def config_of(folder: Path, **changes: object) -> Path:
    config = json.loads((PACKAGE / "shapes.json").read_text(encoding="utf-8"))
    config |= {"run_dir": str(folder / "run"), "mixed_precision": "no", "epochs": 12, "checkpoint_every_steps": 1}
    config["data"] |= {"cache_dir": str(folder.parent / "cache"), "num_workers": 0}
    folder.mkdir(parents=True)
    path = folder / "config.json"
    path.write_text(json.dumps(config | changes), encoding="utf-8")
    return path


def start(command: list[str], environment: dict[str, str], printed: Path) -> runs.Processes:
    with printed.open("w") as out:
        process = subprocess.Popen([sys.executable, *command], env=environment, stdout=out, stderr=out)
    return runs.Processes([process], printed)


def on_two(config: Path, environment: dict[str, str]) -> runs.Processes:
    launcher = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2"]
    launcher += ["--main_process_port", "0", "--mixed_precision", "no", "--dynamo_backend", "no"]
    return start([*launcher, TRAIN, "--config", str(config)], environment, config.with_suffix(f".{time.time_ns()}"))


@pytest.fixture(scope="module")
def run_dir(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on two processes that was stopped and resumed, and has the weights of one on one process that was not."""
    base = tmp_path_factory.mktemp("shapes")
    stopped, alone = config_of(base / "two"), config_of(base / "one")
    process = on_two(stopped, installed)
    while process.alive() and not kill_many.last_step(stopped):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, output = runs.finish(process)
    assert runs.status(stopped)["status"] == "stopped", output
    for started in (on_two(stopped, installed), start([TRAIN, "--config", str(alone)], installed, base / "printed")):
        code, output = runs.finish(started)
        assert code == 0, output
    assert runs.digest(stopped) == runs.digest(alone)
    return runs.run_dir(stopped)


def test_the_records_name_the_package_and_what_the_run_and_its_model_use_of_it(run_dir: Path) -> None:
    environment = json.loads((run_dir / "environment.json").read_bytes())
    model = json.loads((run_dir / "model" / "config.json").read_bytes())
    shared = {"distribution": "mtl-accel-shapes", "version": "1.0", "sha256": identity.digest(MODULE)}
    needed = ["loss poly1", "multiclass metric top_2", "model shape_net"]
    assert environment["plugins"] == {NAME: shared | {"uses": [*needed, "source shapes", "transform RandomGamma"]}}
    assert model["plugins"] == {NAME: shared | {"uses": needed}}
    assert model["model"] == {"name": "shape_net", "width": 24}
    assert json.loads((run_dir / "config.json").read_bytes())["data"]["source"] == "shapes:48"
    assert f"plugin {NAME} 1.0 (SHA-256" in (run_dir / "log.txt").read_text(encoding="utf-8")


FRESH = """
import json, sys
import mtl_accel
run, output = sys.argv[1:]
mtl_accel.predict(run, output, probabilities=True)
measured = mtl_accel.evaluate(run)
exported = mtl_accel.export(run, "onnx", f"{output}/model.onnx")
print(json.dumps([measured["metrics"]["shape/top_2"], exported.difference, exported.card.read_text()]))
"""


def test_a_fresh_process_that_finds_it_loads_evaluates_and_exports_the_model(
    run_dir: Path, installed: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-c", FRESH, str(run_dir), str(tmp_path / "predicted")]
    done = subprocess.run(command, env=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    top_2, difference, card = json.loads(done.stdout.splitlines()[-1])
    assert 0 <= top_2["interval"][0] <= top_2["value"] <= top_2["interval"][1] <= 1
    assert difference < 1e-4
    assert "It needs `mtl_accel_shapes` (mtl-accel-shapes, 1.0, SHA-256" in card
    predicted = pd.read_parquet(tmp_path / "predicted" / "predictions.parquet")
    assert list(predicted.columns[:2]) == ["id", "shape"]
    assert len(predicted) == 24


WITHOUT: dict[str, Callable[[Path], object]] = {
    "load": lambda run: mtl_accel.load(run),
    "load of the model": lambda run: mtl_accel.load(run / "model"),
    "evaluate": lambda run: mtl_accel.evaluate(run),
    "predict": lambda run: mtl_accel.predict(run, run / "predicted"),
    "export": lambda run: mtl_accel.export(run, "onnx"),
    "report": lambda run: mtl_accel.write_report([run], run / "report.html"),
    "resume": lambda run: read_config(run / "config.json"),
    "data of the run": lambda run: read_run_config(run, ["--data.source", "photos"]),
}


@pytest.mark.parametrize("action", list(WITHOUT))
def test_without_the_package_the_error_names_it_and_how_to_give_it(run_dir: Path, action: str) -> None:
    assert registrations() == []
    with pytest.raises(UserError) as caught:
        WITHOUT[action](run_dir)
    (message,) = caught.value.problems
    for part in ("loss poly1", "plugin mtl_accel_shapes, 1.0", "pip install mtl-accel-shapes", "--plugin"):
        assert part in message


@pytest.mark.usefixtures("no_plugins_left")
def test_the_package_can_be_given_by_hand_where_it_is_not_installed(run_dir: Path) -> None:
    load_plugin(MODULE)
    predictor = mtl_accel.load(run_dir)
    assert predictor.description.model.width == 24
    assert mtl_accel.compare([run_dir])["shape/accuracy"].notna().all()


@pytest.mark.usefixtures("no_plugins_left")
def test_a_run_is_not_resumed_with_other_code_unless_that_is_allowed(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / NAME
    subprocess.run(["cp", "-r", str(MODULE), str(copy)], check=True)
    (copy / "loss.py").write_text((copy / "loss.py").read_text().replace("return cross_entropy +", "return 2 *"))
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    load_plugin(copy)
    changed = {"run_dir": str(tmp_path / "run"), "epochs": 13}
    config = read_config(run_dir / "config.json", changed)
    with pytest.raises(
        UserError, match=r"(?s)plugins.mtl_accel_shapes: the code is .*, and was .*--resume.allow_changes"
    ):
        mtl_accel.train(config, resume=str(run_dir))
    assert mtl_accel.train(config, resume=str(run_dir), allow_changes=True).status == "finished"
