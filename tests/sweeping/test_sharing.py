"""Delta_m: how much better several tasks together are than each alone, seed by seed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mtl_accel.sweeping.plan import plan_runs
from mtl_accel.sweeping.sharing import sharing_table

QUICK = Path("configs/quickstart.json")
CATEGORY = {"kind": "multiclass", "column": "category"}
ERROR = {"kind": "regression", "columns": ["size"], "primary_metric": "mae"}
ALONE = {"category alone": {"tasks.size.weight": 0}, "size alone": {"tasks": {"size": ERROR}}}  # either way


def test_delta_m_is_the_mean_gain_over_tasks_in_percent_of_each_alone(tmp_path):
    both = {"tasks": {"category": CATEGORY, "size": ERROR}}
    planned = plan_runs([QUICK], tmp_path, {}, [0, 1], both, ALONE)
    frame = pd.DataFrame(
        {
            "config": ["quick"] * 2 + ["quick category"] * 2 + ["quick size"] * 2,
            "category/accuracy": [0.6, 0.66, 0.5, 0.6, None, None],
            "size/mae": [2.0, 1.5, None, None, 4.0, 1.0],  # smaller is better
        }
    )
    table = sharing_table(planned, frame)
    assert table is not None and table.head == ("config", "runs", "Delta_m", "category", "size")
    (row,) = table.rows
    # category: +20 %, +10 %; size: +50 %, -50 %.
    assert [cell.text for cell in row.cells] == ["quick", "2", "+7.5 ± 38.9", "+15.0 ± 7.1", "+0.0 ± 70.7"]


def test_without_a_run_of_each_task_alone_there_is_nothing_to_say(tmp_path):
    both = {"tasks": {"category": CATEGORY, "size": ERROR}}
    planned = plan_runs([QUICK], tmp_path, {}, [], both, {"category alone": ALONE["category alone"]})
    frame = pd.DataFrame({"config": ["a", "b"], "category/accuracy": [0.6, 0.5], "size/mae": [2.0, None]})
    assert sharing_table(planned, frame) is None
