"""A run on a data set with broken images: an error that names them, or a run without them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest
import real_runs as runs
from broken_cases import BROKEN, config_of, draw

from mtl_accel.core.errors import EXIT_CODE, UserError
from mtl_accel.evaluation.evaluate import evaluate
from mtl_accel.training.train import train


def test_one_error_names_the_broken_images_of_both_splits(not_launched, tmp_path):
    draw(tmp_path / "data", BROKEN)
    with pytest.raises(UserError) as error:
        train(config_of(tmp_path, validation_fraction=0.4))
    assert len(error.value.problems) == 4
    assert all(any(f"id {name}: image " in problem for problem in error.value.problems) for name in BROKEN)
    assert {problem.partition(",")[0] for problem in error.value.problems} == {"train", "validation"}


@pytest.mark.parametrize("cache", ["none", "disk"])
def test_a_broken_image_ends_the_script_with_exit_code_2_and_no_traceback(cache, tmp_path):
    draw(tmp_path / "data", BROKEN)
    config_of(tmp_path, cache=cache, num_workers=2)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "ACCELERATE_USE_CPU": "true"}
    command = [sys.executable, "launch/train.py", "--config", str(tmp_path / "config.json")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ended.returncode == EXIT_CODE, ended.stderr
    assert "Traceback" not in ended.stderr and "worker" not in ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert errors and all(any(f"id {name}: image " in line for name in BROKEN) for line in errors)


@pytest.mark.parametrize("cache", ["none", "disk"])
def test_a_run_that_skips_them_lists_them_resumes_and_can_be_evaluated(cache, not_launched, tmp_path):
    draw(tmp_path / "data", BROKEN)
    config = config_of(tmp_path, cache=cache, num_workers=0, on_bad_image="skip", validation_fraction=0.4)
    run_dir = train(config).run_dir
    lines = (run_dir / "skipped.txt").read_text().splitlines()
    assert len(lines) == 4 and all(any(f"id {name}: image " in line for line in lines) for name in BROKEN)
    assert "are broken and left out (data.on_bad_image)" in (run_dir / "log.txt").read_text()
    longer = config.model_copy(update={"epochs": 2, "run_dir": str(tmp_path / "longer")})
    resumed = train(longer, resume=str(run_dir), allow_changes=True)
    assert (resumed.run_dir / "skipped.txt").read_text().splitlines() == lines
    draw(tmp_path / "data", {**BROKEN, "00.png": b""})
    with pytest.raises(UserError, match="images or labels are not those"):
        train(longer.model_copy(update={"run_dir": str(tmp_path / "other")}), resume=str(run_dir))
    draw(tmp_path / "data", BROKEN)
    assert evaluate(run_dir)["images"] == len(json.loads((run_dir / "validation_ids.json").read_text()))


@pytest.mark.slow
def test_two_processes_leave_out_the_same_images_as_one_and_reach_the_same_weights(tmp_path):
    draw(tmp_path / "data", BROKEN)
    skipped, weights = set(), set()
    for processes in (1, 2):
        folder = tmp_path / f"{processes}"
        data = {"source": str(tmp_path / "data"), "cache_dir": str(folder / "cache"), "num_workers": 0}
        task = {"category": {"kind": "multiclass", "column": "category"}}
        config = runs.write_config(
            folder / "config.json", tmp_path / "data", data={**data, "on_bad_image": "skip"}, tasks=task
        )
        runs.run(config, processes=processes)
        skipped.add((runs.run_dir(config) / "skipped.txt").read_text())
        weights.add(runs.digest(config))
    assert len(skipped) == len(weights) == 1
    listed = skipped.pop()
    assert all(name in listed for name in BROKEN)


@pytest.mark.slow
def test_an_image_or_a_table_that_changes_under_a_run_is_named_and_the_run_resumes_on_the_old_ones(tmp_path):
    source = runs.write_source(tmp_path / "source", num_train=20, num_validation=8)
    data = {"source": str(source), "cache": "none", "cache_dir": str(tmp_path / "cache"), "num_workers": 2}
    config = runs.write_config(tmp_path / "c.json", source, epochs=400, data=data, checkpoint_every_steps=2)
    started = runs.start(config)
    while not list((runs.run_dir(config) / "checkpoints").glob("step-*")):
        assert started.alive(), started.output()
        time.sleep(0.02)
    image, table = source / "train" / "3.png", source / "train.csv"
    picture, rows = image.read_bytes(), table.read_bytes()
    written = image.stat()
    image.unlink()
    code, output = runs.finish(started)
    assert (code, "Traceback" in output) == (EXIT_CODE, False)
    assert "error: train, id 3.png: image " in output and "there is no such file" in output
    image.write_bytes(picture)
    os.utime(image, ns=(written.st_atime_ns, written.st_mtime_ns))  # which a run compares, besides the size
    table.write_bytes(rows.replace(b"circle", b"square", 1))
    code, output = runs.finish(runs.start(config))
    assert code == EXIT_CODE and "data.source: images or labels are not those that" in output
    table.write_bytes(rows)
    resumed = runs.start(config)
    while "resuming at epoch" not in resumed.output():
        assert resumed.alive(), resumed.output()
        time.sleep(0.02)
    resumed.kill()
