"""Run folders from elsewhere: a report of any numbers is a page or an error, and writes to no place of their choice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import report_folders as folders

from mtl_accel.config import read_run_config
from mtl_accel.config.foreign import with_own_cache
from mtl_accel.core.errors import UserError
from mtl_accel.report.page import write_report

Row = dict[str, Any]


def report_of(folder: Path, edit: Callable[[list[Row]], object]) -> str:
    """The page of a run whose log was changed, beside one that is right."""
    for name in ("changed", "right"):
        conflicts = [folders.conflict(1, 2, 0.5, 2.0)]
        folders.write(folder / name, folders.config(), folders.epochs((0.5, 0.4), (0.6, 0.5)), conflicts=conflicts)
    path = folder / "changed" / "log.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    edit(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return write_report([folder / "changed", folder / "right"], folder / "page.html").read_text()


@pytest.mark.parametrize("value", [1e308, -1e308, 1e-308])
@pytest.mark.parametrize("place", ["metrics", "row", "pair"])
def test_numbers_at_the_ends_of_floats_are_left_out_of_the_figures(tmp_path, place, value):
    def edit(rows: list[Row]) -> None:
        if place == "metrics":
            for row in rows[:2]:
                row["train"] = dict.fromkeys(row["train"], value)
                row["validation"] = dict.fromkeys(row["validation"], -value)
        if place == "row":
            rows[0] |= {"lr": value, "seconds": value, "images_per_second": value, "task_weights": {"category": value}}
        if place == "pair":
            rows[2]["pairs"][0] |= {"cosine": value, "norm_ratio": abs(value)}

    assert "changed" in report_of(tmp_path, edit)


@pytest.mark.parametrize(
    ("row", "key", "value", "message"),
    [
        (0, "epoch", -(10**9), "line 1: epoch: Input should be greater than or equal to 1"),
        (0, "epoch", 10**18, "line 1: epoch: Input should be less than or equal to 1000000"),
        (0, "epoch", None, "line 1: epoch: Input should be a valid integer"),
        (0, "validation", [], "line 1: validation: Input should be a valid dictionary"),
        (2, "step", 10**18, "line 3: step: Input should be less than or equal to 1000000000"),
        (2, "pairs", [{"tasks": ["a", "b"], "norm_ratio": -1.0}], "pairs.0.norm_ratio: Input should be greater than"),
    ],
)
def test_rows_that_no_run_writes_are_refused_by_their_line(tmp_path, row, key, value, message):
    with pytest.raises(UserError) as caught:
        report_of(tmp_path, lambda rows: rows[row].update({key: value}))
    assert message in "\n".join(caught.value.problems)


def test_a_cache_folder_that_a_run_names_is_written_to_only_where_a_cache_of_ours_is(tmp_path, caplog):
    named = tmp_path / "somebody's folder"
    config = folders.config(data__cache_dir=str(named))
    run = folders.write(tmp_path / "run", config)
    assert read_run_config(run, []).data.cache_dir is None
    assert "holds no cache of mtl_accel here" in caplog.text
    assert read_run_config(run, ["--data.cache_dir", str(named)]).data.cache_dir == str(named)
    (named / "tables").mkdir(parents=True)
    assert read_run_config(run, []) == with_own_cache(config) == config
