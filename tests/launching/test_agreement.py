"""Hosts that have not the same code, config or data end together, each with the reason; equal ones train as ever."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import real_runs as runs
import small_predict
import small_run

pytestmark = pytest.mark.slow


def rows_of(table: Path, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    with table.open(newline="") as file:
        head, *rows = list(csv.reader(file))
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([head, *change(rows)])


def other_label(rows: list[list[str]]) -> list[list[str]]:
    rows[4][1] = "line" if rows[4][1] != "line" else "square"
    return rows


def other_images(source: Path) -> None:
    """The same names with other pictures behind them."""
    for path in (source / "train").glob("*.png"):
        shutil.copyfile(source / "val" / "0.png", path)


# What the second host has: changes of its copy of the data and of its config, and the message that it must give.
CASES: dict[str, tuple[Callable[[Path], object] | None, dict, str]] = {
    "labels": (
        lambda source: rows_of(source / "train.csv", other_label),
        {},
        r"data of train: labels of category \(digest\) is \w+ on .* and \w+ on .*; give all of them the same rows",
    ),
    "order": (
        lambda source: rows_of(source / "train.csv", lambda rows: rows[::-1]),
        {},
        r"data of train: order of rows \(digest\) is \w+ on .* and \w+ on ",
    ),
    "fewer rows": (
        lambda source: rows_of(source / "train.csv", lambda rows: rows[:-10]),
        {},
        r"data of train: number of rows is 24 on .* and 14 on .*; give all of them the same rows",
    ),
    "another name": (
        lambda source: (
            (source / "val" / "0.png").rename(source / "val" / "zero.png"),
            rows_of(source / "val.csv", lambda rows: [["zero.png", *rows[0][1:]], *rows[1:]]),
        ),
        {},
        r"data of validation: ids \(digest\) is \w+ on ",
    ),
    "a class more": (
        lambda source: rows_of(source / "train.csv", lambda rows: [[rows[0][0], "star", *rows[0][2:]], *rows[1:]]),
        {},
        r"tasks.category is multiclass of circle, line, square on .* and multiclass of circle, line, square, star on",
    ),
    "pictures": (other_images, {}, r"data of train: pictures \(digest\) is .*; give all of them the same image files"),
    "a broken table": (
        lambda source: rows_of(source / "train.csv", lambda rows: [["gone.png", *rows[0][1:]], *rows[1:]]),
        {},
        r"on \S+ \(process 1\): .*gone\.png",
    ),
    "config": (
        None,
        {"optimizer": {"name": "AdamW", "lr": 0.01}, "seed": 1},
        r"optimizer.lr is 0.003 on \S+ \(process 0\) and 0.01 on \S+ \(process 1\); start all of them with the same",
    ),
    "precision": (None, {"mixed_precision": None}, r'mixed_precision is "no" on .* and null on '),
}


def two_hosts(
    base: Path, *commands: list[str], main: Callable[..., None] = small_run.main
) -> tuple[list[int], list[str]]:
    """A process on each of two hosts, as far as they can tell: exit codes and what each printed."""
    found = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "ACCELERATE_USE_CPU": "true"}
    found |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(runs.free_port())}
    started = []
    for rank, command in enumerate(commands):
        printed = base / f"printed{rank}"
        printed.write_text("")
        started.append(runs.fork(main, command, found | {"RANK": str(rank)}, printed, 1))
    ended = [runs.finish(each, 120) for each in started]
    return [code for code, _ in ended], [output for _, output in ended]


def trained(base: Path, first: Path, second: Path) -> tuple[list[int], list[str]]:
    return two_hosts(base, *(["small_run.py", "--config", str(config)] for config in (first, second)))


def hosts(base: Path, source: Path, change: Callable[[Path], object] | None, changes: dict) -> tuple[Path, Path]:
    """The configs of two hosts, which have nothing in common: data, cache and run folder are each its own."""
    configs = []
    for name, knobs in (("a", {}), ("b", changes)):
        copied = shutil.copytree(source, base / name / "source")
        if name == "b" and change is not None:
            change(copied)
        configs.append(runs.write_config(base / name / "c.json", copied, **{"epochs": 1, **knobs}))
    return configs[0], configs[1]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("agreement") / "source", num_train=24, num_validation=8)


@pytest.mark.parametrize("case", CASES)
def test_hosts_that_differ_end_together_and_each_is_told_why(tmp_path, source, case):
    change, changes, message = CASES[case]
    configs = hosts(tmp_path, source, change, changes)
    codes, outputs = trained(tmp_path, *configs)
    assert codes == [2, 2], outputs
    for output in outputs:
        assert re.search(f"^error: .*{message}", output, re.MULTILINE), output
        assert "Traceback" not in output
    assert not any((runs.run_dir(config) / "model").exists() for config in configs)


def test_every_knob_that_differs_is_told(tmp_path, source):
    _, outputs = trained(tmp_path, *hosts(tmp_path, source, *CASES["config"][:2]))
    assert all(output.count("error: ") == 2 and "error: seed is 0 on " in output for output in outputs)


def test_hosts_that_share_nothing_but_equal_data_train_as_one_host_does(tmp_path, source):
    first, second = hosts(
        tmp_path, source, None, {"data": {"source": str(tmp_path / "b" / "source"), "num_workers": 0}}
    )
    codes, outputs = trained(tmp_path, first, second)
    assert codes == [0, 0], outputs
    alone = runs.write_config(tmp_path / "alone" / "c.json", source, epochs=1)
    runs.run(alone, processes=2)
    assert runs.digest(first) == runs.digest(alone)


def test_hosts_that_would_go_on_from_different_steps_end_together(tmp_path, source):
    first, second = hosts(tmp_path, source, None, {})
    runs.finish(runs.start(first, FAIL_ON_RANK="0", FAIL_IN_EPOCH="0"))  # no checkpoint
    for config in (first, second):
        changed = json.loads(config.read_text()) | {"epochs": 3, "checkpoint_every_steps": 1}
        config.write_text(json.dumps(changed))
    runs.finish(runs.start(first, "--overwrite", FAIL_ON_RANK="0", FAIL_IN_EPOCH="1"))
    codes, outputs = trained(tmp_path, first, second)
    assert codes == [2, 2], outputs
    message = (
        r"error: the checkpoint to resume from is step-\d+ \(digest \w+\) on .* and none on .*; put the run folder on a"
    )
    assert all(re.search(message, output) for output in outputs), outputs


PLUGIN = """import mtl_accel
@mtl_accel.register_loss("own", kind="multiclass")
def own(section):
    return lambda logits, target: logits.square().mean(dim=1) * {factor}
"""


def test_hosts_whose_plugins_have_other_code_end_together(tmp_path, source):
    tasks = {"category": {"kind": "multiclass", "column": "category", "loss": {"name": "own"}}}
    commands = []
    for factor, config in enumerate(hosts(tmp_path, source, None, {})):
        config.write_text(json.dumps(json.loads(config.read_text()) | {"tasks": tasks}))
        plugin = config.with_name("own_loss.py")
        plugin.write_text(PLUGIN.format(factor=factor))
        commands.append(["small_run.py", "--plugin", str(plugin), "--config", str(config)])
    codes, outputs = two_hosts(tmp_path, *commands)
    assert codes == [2, 2], outputs
    message = r"error: plugin own_loss is without a version \(SHA-256 \w+\.\.\.\) on .* and without a .* on .*--plugin"
    assert all(re.search(message, output) for output in outputs), outputs


@pytest.mark.parametrize("script", ["predict.py", "evaluate.py"])
def test_hosts_that_ask_other_questions_of_a_model_end_together(tmp_path, source, script):
    first, second = hosts(tmp_path, source, CASES["another name"][0], {})
    runs.run(first)
    asked = [["--run", str(runs.run_dir(first)), "--split", "validation"] for _ in range(2)]
    if script == "predict.py":
        asked = [[*each, "--output", str(tmp_path / f"answers{rank}")] for rank, each in enumerate(asked)]
    asked[1] += ["--data.source", str(second.parent / "source")]
    codes, outputs = two_hosts(tmp_path, *asked, main=partial(small_predict.main, script=runs.ROOT / "launch" / script))
    assert codes == [2, 2], outputs
    assert all(re.search(r"error: data of validation: ids \(digest\) is \w+ on ", output) for output in outputs), (
        outputs
    )


def test_two_real_launchers_with_other_code_end_together(tmp_path, source):
    """A checkout of another commit on the second host, under the same version."""
    other = tmp_path / "other"
    shutil.copytree(runs.ROOT / "mtl_accel", other / "mtl_accel", ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "mtl_accel" / "__init__.py").open("a") as file:
        file.write("\n# another commit\n")
    configs, port = hosts(tmp_path, source, None, {}), str(runs.free_port())
    started = []
    for rank, config in enumerate(configs):
        place = ["--nnodes", "2", "--node_rank", str(rank), "--nproc_per_node", "1"]
        place += ["--master_addr", "127.0.0.1", "--master_port", port]
        command = [sys.executable, "-m", "torch.distributed.run", *place, str(runs.SMALL_RUN), "--config", str(config)]
        variables = {"ACCELERATE_USE_CPU": "true"} | ({"PYTHONPATH": str(other)} if rank else {})
        printed = (tmp_path / f"printed{rank}").open("w")
        with printed:
            started.append(
                subprocess.Popen(command, env={**os.environ, **variables}, stdout=printed, stderr=subprocess.STDOUT)
            )
    try:
        assert all(process.wait(120) == 1 for process in started)  # torchrun's own code for any failure
    finally:
        for process in started:
            process.kill()
    for rank in range(2):
        output = (tmp_path / f"printed{rank}").read_text()
        message = (
            r"error: mtl_accel is \S+ with the code \w+ on .* and \S+ with the code \w+ on .*; install the same on all"
        )
        assert re.search(message, output), output


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("y" * 300, "File name too long (ENAMETOOLONG): choose a shorter name"),
        ("file/more", "is neither a folder that exists"),
    ],
)
def test_an_error_of_the_operating_system_ends_all_processes_with_its_place(tmp_path, name, message):
    source = runs.write_source(tmp_path / "source", num_train=8, num_validation=8)
    (tmp_path / "file").touch()
    data = {"source": str(source), "cache_dir": str(tmp_path / name), "num_workers": 0}
    config = runs.write_config(tmp_path / "c.json", source, data=data)
    code, output = runs.finish(runs.start(config, processes=2))
    assert code == 2 and "Traceback" not in output
    data = {"source": str(tmp_path / name), "num_workers": 0}
    code, output = runs.finish(runs.start(runs.write_config(tmp_path / "d.json", source, data=data), processes=2))
    assert code == 2 and "Traceback" not in output and message in output
