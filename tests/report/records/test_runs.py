"""Run folders as data frames and tables: what they hold, in whatever state they are."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import report_folders
from hypothesis import given
from hypothesis import strategies as st
from report_folders import epochs, write

import mtl_accel
from mtl_accel.core.errors import UserError
from mtl_accel.report import summary, tables
from mtl_accel.report.records import runs
from mtl_accel.report.records.frames import comparison_frame
from mtl_accel.report.sections import leaderboard
from mtl_accel.report.text import escape_markdown

V1 = report_folders.config("v1")


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """A run that finished, one that is running, one that failed before its first epoch."""
    return [
        write(tmp_path / "v1", V1, epochs((0.5, 0.25), (0.75, 0.125)), fitted={"attribute/f1_macro_cross_fitted": 0.4}),
        write(tmp_path / "new", V1, epochs((0.25, None)), status="running", pid=os.getpid()),
        write(tmp_path / "bad", V1, status="failed", message="data.source: no such folder"),
    ]


def test_compare_has_one_row_a_run_in_the_order_given(three: list[Path]) -> None:
    frame = mtl_accel.compare(three)
    assert list(frame["run"]) == ["v1", "new", "bad"]
    assert list(frame["status"]) == ["finished", "running", "failed"]
    assert list(frame["epochs"]) == [2, 1, 0]
    row = frame.iloc[0]
    assert row["best_epoch"] == 2 and row["composite"] == 0.4375
    assert row["category/accuracy"] == 0.75 and row["attribute/f1_macro"] == 0.125
    assert row["attribute/f1_macro_best"] == 0.25 and row["attribute/f1_macro_best_epoch"] == 1
    assert row["attribute/f1_macro_cross_fitted"] == 0.4
    assert row["images_per_second"] == 15.0 and row["seconds"] == 4.0


def test_importing_the_package_imports_no_matplotlib() -> None:
    probe = "import sys, mtl_accel; sys.exit(bool({'matplotlib', 'pandas', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


def test_what_a_run_has_not_got_is_missing(three: list[Path]) -> None:
    frame = mtl_accel.compare(three)
    assert pd.isna(frame["composite"][1]) and frame["category/accuracy_best"][1] == 0.25
    assert frame.loc[2, ["best_epoch", "composite", "category/accuracy", "images_per_second"]].isna().all()
    assert mtl_accel.compare(three[2:])["composite"].dtype == np.float64


def test_the_best_epoch_is_the_one_that_the_config_selects(tmp_path: Path) -> None:
    by_f1 = report_folders.config("v1", select_by="attribute/f1_macro")
    row = mtl_accel.compare([write(tmp_path / "a", by_f1, epochs((0.5, 0.25), (0.75, 0.125)))]).iloc[0]
    assert row["best_epoch"] == 1 and row["category/accuracy"] == 0.5 and row["composite_best_epoch"] == 2


def seeds(tmp_path: Path, names: list[str]) -> list[Path]:
    return [
        write(tmp_path / name, report_folders.config("v1", seed=seed), epochs((0.5 + 0.1 * seed, 0.25)))
        for seed, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("names", "config"),
    [
        (["v5-seed0", "v5-seed1", "v5-seed2"], "v5"),
        (["lr_0.1_seed_0", "lr_0.1_seed_1"], "lr_0.1"),
        (["0", "1"], "0"),
        (["monday/v5", "tuesday/v5"], "monday/v5"),
    ],
)
def test_runs_that_differ_only_by_seed_are_one_config(tmp_path: Path, names: list[str], config: str) -> None:
    other = write(tmp_path / "other", report_folders.config("v1", epochs=3), epochs((0.0, 0.0)))
    frame = mtl_accel.compare([*seeds(tmp_path, names), other])
    assert list(frame["config"]) == [config] * len(names) + ["other"]
    means = summary(frame)
    assert list(means.index) == [config, "other"] and list(means["runs"]) == [len(names), 1]
    expected = [0.5 + 0.1 * seed for seed in range(len(names))]
    assert means["category/accuracy_mean"][config] == pytest.approx(np.mean(expected))
    assert means["category/accuracy_std"][config] == pytest.approx(np.std(expected, ddof=1))
    assert math.isnan(means["category/accuracy_std"]["other"])


def test_a_summary_by_another_column_or_by_none_that_is_there(three: list[Path]) -> None:
    frame = mtl_accel.compare(three)
    assert list(summary(frame, by="status").index) == ["finished", "running", "failed"]
    with pytest.raises(UserError, match="by: 'colour' is no column of the comparison; it has run, folder"):
        summary(frame, by="colour")


def test_folders_that_are_no_runs_are_named_all_at_once(tmp_path: Path, three: list[Path]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as caught:
        mtl_accel.compare([three[0], tmp_path / "empty", tmp_path / "absent"])
    assert len(caught.value.problems) == 2
    assert "empty: holds no config.json, and so is no run" in caught.value.problems[0]
    assert "absent: is no folder" in caught.value.problems[1]
    with pytest.raises(UserError, match="no run was given"):
        mtl_accel.compare([])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "config": (lambda run: (run / "config.json").write_text("[]"), "config.json: holds no object"),
    "config key": (lambda run: (run / "config.json").write_text('{"epochs": -1}'), "config.json: epochs"),
    "status": (lambda run: (run / "status.json").write_text('{"status": 3}'), "status.json: status"),
    "environment": (lambda run: (run / "environment.json").write_text("nothing"), "environment.json: not JSON"),
    "log": (lambda run: (run / "log.jsonl").write_text("{}\nnothing\n"), "log.jsonl, line 2: not JSON"),
    "log bytes": (lambda run: (run / "log.jsonl").write_bytes(b"\xff\xfe\n"), "log.jsonl, line 1: not JSON"),
    "row": (
        lambda run: (run / "log.jsonl").write_text('{"event": "epoch", "epoch": 1, "train": {"loss": "low"}}\n'),
        "log.jsonl, line 1: train.loss",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_file_is_named_and_is_no_traceback(three: list[Path], name: str) -> None:
    damage, message = DAMAGE[name]
    damage(three[0])
    with pytest.raises(UserError, match=message):
        mtl_accel.compare(three)


def test_a_last_line_that_a_kill_cut_short_is_left_out(three: list[Path]) -> None:
    with (three[0] / "log.jsonl").open("a") as file:
        file.write('{"event": "epo')
    assert mtl_accel.compare(three)["epochs"][0] == 2


def test_of_an_epoch_that_was_run_again_the_last_row_counts(three: list[Path]) -> None:
    with (three[0] / "log.jsonl").open("a") as file:
        file.write(json.dumps({"event": "epoch", "epoch": 2, "validation": {"category/accuracy": 1.0}}) + "\n")
    record = runs.read_runs(three[:1])[0]
    assert record.values("validation", "category/accuracy") == {1: 0.5, 2: 1.0}


@pytest.mark.parametrize(("host", "state"), [(None, "killed"), ("another machine", "running")])
def test_a_run_whose_process_is_gone_is_not_running(tmp_path: Path, host: str | None, state: str) -> None:
    gone = {"pid": 2**22 + 1} | ({"host": host} if host else {})  # Linux gives no process a larger number than 2**22
    assert runs.read_runs([write(tmp_path / "v1", V1, status="running", **gone)])[0].state == state


def test_runs_of_one_name_are_told_apart_by_what_stands_before_it() -> None:
    paths = [Path(path) for path in ("/a/x/v1", "/b/x/v1", "/b/y/v1", "/b/v2", "/v1")]
    assert runs.distinct_names(paths) == ["a/x/v1", "b/x/v1", "y/v1", "v2", "/v1"]


@given(st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map("/".join), unique=True))
def test_different_folders_get_different_names(ends: list[str]) -> None:
    names = runs.distinct_names([Path("/runs", end) for end in ends])
    assert len(set(names)) == len(ends)


def test_a_folder_given_twice_counts_once(three: list[Path]) -> None:
    assert len(mtl_accel.compare([three[0], three[0], three[0] / ".." / "v1"])) == 1


def board(folders: list[Path]) -> list[list[str]]:
    records = runs.read_runs(folders)
    return [
        [cell.text for cell in row.cells] for row in leaderboard.leaderboard(records, comparison_frame(records)).rows
    ]


def test_the_leaderboard_ranks_by_the_mean_and_puts_the_source_last(tmp_path: Path, three: list[Path]) -> None:
    better = write(tmp_path / "v3", report_folders.config("v3"), epochs((0.9, 0.5)))
    rows = board([*three, better])
    assert [row[0] for row in rows] == ["v3", "v1", "new", "bad", "v1, the source", "v3, the source"]
    assert rows[1][1:4] == ["0.7500", "0.2500", "0.4375"]
    assert rows[3][1:4] == [tables.ABSENT] * 3
    assert rows[4][1:3] == ["0.564038", "0.230137"] and rows[5][1:3] == [tables.ABSENT] * 2


def test_only_folders_named_v1_to_v5_stand_beside_the_source(tmp_path: Path) -> None:
    assert len(board([write(tmp_path / "v1-again", V1, epochs((0.5, 0.5)))])) == 1


def test_the_best_of_each_column_is_marked(tmp_path: Path) -> None:
    folders = [write(tmp_path / n, V1, epochs(pair)) for n, pair in (("a", (0.5, 0.1)), ("b", (0.25, 0.2)))]
    records = runs.read_runs(folders)
    marks = [
        [cell.best for cell in row.cells[1:3]]
        for row in leaderboard.leaderboard(records, comparison_frame(records)).rows
    ]
    assert marks == [[True, False], [False, True]]


def test_overfitting_is_how_much_better_training_is_whichever_way_is_better(tmp_path: Path) -> None:
    record = runs.read_runs([write(tmp_path / "a", V1, epochs((0.5, 0.5), (0.25, 0.5), gap=0.125))])[0]
    assert record.gap("category/accuracy") == runs.Gap(0.375, 0.25, 0.125)
    assert record.gap("loss") == runs.Gap(1.0, 1.125, 0.125)
    assert runs.read_runs([write(tmp_path / "b", V1)])[0].gap("loss") is None


def test_a_metric_that_is_no_number_is_no_best(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", V1, epochs((0.5, None)))
    text = (folder / "log.jsonl").read_text().replace("null", "NaN")  # as another program might write it
    (folder / "log.jsonl").write_text(text)
    record = runs.read_runs([folder])[0]
    assert record.best("attribute/f1_macro") is None and record.best("category/accuracy") == (1, 0.5)


HOSTILE = ["<script>alert(1)</script>", "[x](javascript:alert(1))", "a|b", "`x`", "**x**", "https://x.y", "x\ny", "a_b"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_in_markdown_is_text_and_nothing_else(name: str) -> None:
    text = escape_markdown(name)
    assert "<" not in text and "\n" not in text and "https:" not in text
    assert text.replace("\\|", "").count("|") == 0
    assert "](" not in text.replace("\\]", "") and "**" not in text.replace("\\*", "")
    table = tables.Table("c", ("run", "x"), (tables.Row((tables.Cell(name), tables.Cell("1"))),))
    lines = tables.markdown(table).splitlines()
    assert len({line.replace("\\|", "").count("|") for line in lines if line.startswith("|")}) == 1
