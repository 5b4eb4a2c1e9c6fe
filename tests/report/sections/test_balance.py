"""The report of tasks against one another: what the conflict meter saw, and the weights of a balancing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import report_folders
from hypothesis import given, settings
from hypothesis import strategies as st
from report_folders import conflict, epochs, write

from mtl_accel.core.errors import UserError
from mtl_accel.report.records import runs
from mtl_accel.report.records.runs import RunRecord
from mtl_accel.report.sections import conflict_figures, weight_figures
from mtl_accel.report.sections.conflict_figures import Conflicts, measured_steps, share_in_conflict

V1 = report_folders.config("v1", batch_size=10, micro_batch_size=10)  # the second epoch takes 40 images: 4 steps
TWO = epochs((0.5, 0.5), (0.5, 0.5))
STEPS = [
    conflict(1, 1, 0.5, 2.0),
    conflict(1, 3, -0.25, 8.0),
    conflict(2, 1, -0.5, 4.0),
    conflict(2, 3, None, None),
]


def record(folder: Path, *conflicts: dict[str, Any], **more: Any) -> RunRecord:
    return runs.read_runs([write(folder, V1, more.pop("epochs", epochs((0.5, 0.5))), conflicts=conflicts, **more)])[0]


def found(*records: RunRecord) -> Conflicts:
    conflicts = conflict_figures.conflicts(records)
    assert conflicts
    return conflicts


def cells(conflicts: Conflicts) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in conflicts.table.rows]


def test_a_run_without_meter_and_weights_gets_no_figure(tmp_path: Path) -> None:
    plain = record(tmp_path / "plain", epochs=TWO)
    assert conflict_figures.conflicts([plain]) is None and weight_figures.task_weights([plain]) is None


def test_how_many_measured_steps_were_in_conflict_is_said_in_words(tmp_path: Path) -> None:
    conflicts = found(record(tmp_path / "v6", *STEPS, epochs=TWO))
    cosine, ratio = conflicts.drawings
    means = "mean cosine -0.083, +0.125 in the first epoch and -0.500 in the last."
    assert cosine.description == f"v6: in conflict in 2 of 3 measured steps (67%), {means}"
    assert "geometric mean 4, 4 in the first epoch and 4 in the last" in ratio.description
    assert cells(conflicts) == [["v6", "category and attribute", "3", "2", "-0.083", "4"]]


def test_steps_stand_at_their_fraction_of_an_epoch(tmp_path: Path) -> None:
    watched = record(tmp_path / "v6", *STEPS, epochs=TWO)
    steps = measured_steps([watched])
    assert steps["at"].tolist() == [0, 0.5, 1, 1.5]
    assert steps["cosine"].isna().tolist() == steps["log_ratio"].isna().tolist() == [False, False, False, True]


def test_steps_of_a_first_epoch_that_is_not_over_are_drawn(tmp_path: Path) -> None:
    started = record(tmp_path / "v6", *STEPS[:2], epochs=[])
    assert started.steps_per_epoch == 3
    assert "1 of 2 measured steps" in found(started).drawings[0].description


def test_a_step_that_was_run_again_counts_once(tmp_path: Path) -> None:
    again = record(tmp_path / "v6", conflict(1, 1, -0.5, 2.0), conflict(1, 1, 0.5, 2.0))
    assert cells(found(again))[0][2:4] == ["1", "0"]


def test_two_runs_share_a_figure_whichever_task_comes_first(tmp_path: Path) -> None:
    one = record(tmp_path / "a", conflict(1, 1, 0.5, 4.0))
    turned = record(tmp_path / "b", conflict(1, 1, 0.5, 0.25, "attribute", "category"))
    conflicts = found(one, turned)
    assert len(conflicts.drawings) == 2
    assert [row[1:] for row in cells(conflicts)] == [["category and attribute", "1", "0", "0.500", "4"]] * 2
    assert [row.number for row in conflicts.table.rows] == [0, 1]


def test_of_many_pairs_those_in_conflict_most_often_are_drawn_and_all_are_in_the_table(tmp_path: Path) -> None:
    rows = [conflict(1, 1, 0.1 if number < 3 else -0.1, 1.0, "t", f"t{number}") for number in range(8)]
    whole = {**rows[0], "pairs": [pair for row in rows for pair in row["pairs"]]}
    conflicts = found(record(tmp_path / "many", whole))
    assert len(conflicts.table.rows) == 8 and conflicts.left_out == 2
    titles = [drawing.title for drawing in conflicts.drawings[::2]]
    assert titles == [f"Cosine of the gradients of t and t{number}" for number in (0, 3, 4, 5, 6, 7)]


def test_a_pair_that_never_had_both_gradients_is_said_to_have_none(tmp_path: Path) -> None:
    conflicts = found(record(tmp_path / "v6", conflict(1, 1, None, None)))
    assert all("no step had a gradient of both tasks" in drawing.description for drawing in conflicts.drawings)
    assert cells(conflicts) == [["v6", "category and attribute", "0", "0", "—", "—"]]


def test_long_runs_draw_some_steps_and_count_all(tmp_path: Path) -> None:
    steps = [conflict(1, step, -0.5, 2.0) for step in range(1, 1002)]
    drawing = found(record(tmp_path / "long", *steps)).drawings[0]
    assert "1001 of 1001" in drawing.description
    drawn = drawing.svg.decode().count("<use")  # dots, and the ticks of both axes
    assert conflict_figures.MAX_DOTS <= drawn < 1.2 * conflict_figures.MAX_DOTS


VALUES = st.one_of(st.none(), st.floats(-1, 1)), st.one_of(st.none(), st.floats(0, allow_infinity=True))


@settings(max_examples=15)
@given(st.lists(st.tuples(*VALUES), min_size=1, max_size=5))
def test_whatever_the_meter_saw_can_be_drawn(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    steps = [conflict(1, step, *pair) for step, pair in enumerate(values, start=1)]
    conflicts = found(record(tmp_path_factory.mktemp("any") / "run", *steps))
    assert all(b"nan" not in drawing.svg for drawing in conflicts.drawings)


def test_the_share_in_conflict_leaves_out_steps_without_a_gradient() -> None:
    assert share_in_conflict(pd.Series([np.nan, np.nan])) == 0
    assert share_in_conflict(pd.Series([np.nan, -1.0])) == 1


def test_each_task_has_a_figure_of_its_weights_of_the_same_height(tmp_path: Path) -> None:
    weights = [{"category": 1.0, "attribute": 1.0}, {"category": 0.5, "attribute": 2.0}]
    balanced = record(tmp_path / "v6", epochs=TWO, weights=weights)
    drawn = weight_figures.task_weights([record(tmp_path / "plain", epochs=TWO), balanced])
    assert drawn
    assert [drawing.title for drawing in drawn.drawings] == [
        "Weight of category, mean of each epoch",
        "Weight of attribute, mean of each epoch",
    ]
    assert drawn.drawings[1].description == "plain: no values. v6: 1 in epoch 1, 2 in epoch 2."
    assert all(b">2<" in drawing.svg for drawing in drawn.drawings)  # the ticks of both
    assert [[(cell.text, cell.note) for cell in row.cells] for row in drawn.table.rows] == [
        [("v6", ""), ("0.5000", "1.0000 in epoch 1"), ("2.0000", "1.0000 in epoch 1")]
    ]


@pytest.mark.parametrize("weights", [{"category": 0.0}, {"category": 1e-6, "attribute": 1e6}, {"category": -1.0}])
def test_weights_of_any_size_are_drawn(tmp_path: Path, weights: dict[str, float]) -> None:
    drawn = weight_figures.task_weights([record(tmp_path / "v6", weights=[weights])])
    assert drawn and len(drawn.drawings) == len(weights)


def test_weights_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    assert weight_figures.task_weights([record(tmp_path / "v6", weights=[{"category": None}])]) is None


def test_a_row_that_no_run_wrote_is_reported_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"log.jsonl, line 2: step: .*a run did not write this"):
        record(tmp_path / "v6", {"event": "conflict", "epoch": 1, "step": "x", "pairs": []})
