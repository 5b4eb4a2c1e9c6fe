"""launch/doctor.py as a process: what it prints and writes, and its exit code; and pictures read in parallel."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtl_accel.preflight.diagnosis.scan import scan_pictures
from mtl_accel.preflight.diagnosis.survey import survey
from mtl_accel.training.train import train

ROOT = Path(__file__).parents[3]


def test_the_command_ends_with_2_and_writes_the_page_where_a_table_is_wrong(
    photos: Callable[..., Any], tmp_path: Path
) -> None:
    made = photos(30, 10)
    made.tables["train"].loc[4, "red"] = "perhaps"
    made.replace("val", 3, made.picture("train", 7))
    config = tmp_path / "config.json"
    config.write_text(made.config().model_dump_json(by_alias=True), encoding="utf-8")
    command = [sys.executable, "launch/doctor.py", "--config", config, "--output", tmp_path / "page.html"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert "found line 6 (id train/004.png): 'perhaps'" in lines[0]
    assert "warning: 1 picture is in two splits (the same pixels): train and validation" in lines
    assert {path.suffix for path in tmp_path.glob("page.*")} == {".html", ".md", ".json"}
    assert json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["severity"] == "error"


def test_two_processes_see_the_same_pictures_as_one(photos: Callable[..., Any]) -> None:
    made = photos(280, 20)
    (made.root / "train/270.png").write_bytes(b"broken")
    found = survey(made.config())
    assert found.labelled is not None
    scans = [scan_pictures(found.labelled.splits, num_workers) for num_workers in (1, 2)]
    assert scans[0].digests == scans[1].digests
    assert scans[0].problems == scans[1].problems
    assert "train, id train/270.png" in scans[0].problems[270]
    np.testing.assert_array_equal(scans[0].thumbnails, scans[1].thumbnails)


def test_the_log_of_a_run_begins_with_what_is_suspicious_in_its_labels(
    photos: Callable[..., Any], tmp_path: Path
) -> None:
    made = photos(16, 8)
    made.tables["train"]["long"] = 1
    config = made.config().model_copy(update={"run_dir": str(tmp_path / "run"), "epochs": 1})
    train(config)
    log = (tmp_path / "run" / "log.txt").read_text(encoding="utf-8")
    assert "warning: attribute: no training row has a 0 for 'long'; nothing to learn there\n" in log
