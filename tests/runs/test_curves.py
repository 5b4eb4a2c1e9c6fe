"""curves.png shows what log.jsonl says: one panel a metric, gaps for nulls, and the best and last values in words."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from mtl_accel.metrics.registry import title
from mtl_accel.runs import curves

METRICS = ["loss", "category/accuracy", "attribute/f1_macro"]


def epoch_rows(train: list[float | None], validation: list[float | None], names: list[str]) -> list[dict[str, Any]]:
    return [
        {"event": "epoch", "epoch": epoch, "train": dict.fromkeys(names, t), "validation": dict.fromkeys(names, v)}
        for epoch, (t, v) in enumerate(zip(train, validation, strict=True), start=1)
    ]


def line(axes: Axes, split: str) -> tuple[list[float], list[float]]:
    found = next(line for line in axes.get_lines() if line.get_label() == split)
    return np.asarray(found.get_xdata()).tolist(), np.asarray(found.get_ydata()).tolist()


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(("num_panels", "lines"), [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 3)])
def test_up_to_three_panels_stand_in_one_line(num_panels: int, lines: int) -> None:
    names = [f"task_{number}/accuracy" for number in range(num_panels)]
    figure = curves.plot(epoch_rows([0.5], [0.4], names), names)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [title(name) for name in names]
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == lines


def test_each_panel_shows_train_beside_validation_in_the_same_colours() -> None:
    figure = curves.plot(epoch_rows([0.5, 0.75], [0.25, 0.5], METRICS), METRICS)
    for axes in figure.axes:
        assert line(axes, "train") == ([1, 2], [0.5, 0.75])
        assert line(axes, "validation") == ([1, 2], [0.25, 0.5])
        colours = {line.get_label(): line.get_color() for line in axes.get_lines()}
        assert colours["train"] == curves.COLOURS["train"] and colours["validation"] == curves.COLOURS["validation"]


@pytest.mark.parametrize("num_epochs", [1, 2, 10, 20, 200])
def test_the_epoch_axis_has_whole_numbers_from_one(num_epochs: int) -> None:
    axes = curves.plot(epoch_rows([0.5] * num_epochs, [0.4] * num_epochs, METRICS), METRICS).axes[0]
    low, high = axes.get_xlim()
    shown = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert shown and all(tick == round(tick) and 1 <= tick <= num_epochs for tick in shown)


def test_the_best_validation_epoch_is_the_lowest_loss_and_the_highest_accuracy_first_of_equals() -> None:
    rows = epoch_rows([0.1] * 4, [0.75, 0.25, 0.25, 0.75], METRICS)
    loss, accuracy, _ = curves.plot(rows, METRICS).axes
    assert "best validation 0.2500, epoch 2" in words(loss)
    assert "best validation 0.7500, epoch 1" in words(accuracy)


def test_the_last_values_are_written_and_a_last_value_of_an_earlier_epoch_says_so() -> None:
    axes = curves.plot(epoch_rows([0.5, 0.625, 0.75], [0.25, 0.375, None], METRICS), METRICS).axes[1]
    assert {"0.7500", "0.3750\n(epoch 2)"} <= set(words(axes))


@pytest.mark.parametrize("gap", [None, math.nan, math.inf])
def test_a_value_that_is_no_number_leaves_a_gap(gap: float | None) -> None:
    axes = curves.plot(epoch_rows([0.5, 0.6, 0.7], [0.5, gap, 0.75], METRICS), METRICS).axes[0]
    assert np.isnan(line(axes, "validation")[1]).tolist() == [False, True, False]
    assert "best validation 0.5000, epoch 1" in words(axes)


def test_a_metric_without_values_says_so_and_the_others_are_drawn() -> None:
    rows = epoch_rows([0.5, 0.6], [0.5, 0.6], ["loss"])
    loss, absent = curves.plot(rows, ["loss", "category/accuracy"]).axes
    assert words(absent) == ["no values"]
    assert line(loss, "train")[1] == [0.5, 0.6]


def test_a_run_without_validation_shows_train_alone() -> None:
    rows = [{"epoch": 1, "train": {"loss": 2.0}, "validation": None}, {"epoch": 2, "train": {"loss": 1.0}}]
    assert words(curves.plot(rows, ["loss"]).axes[0]) == ["1.000"]


def test_of_an_epoch_that_was_run_again_after_a_resume_the_last_row_counts() -> None:
    rows = epoch_rows([0.5, 0.6], [0.5, 0.6], METRICS)
    again = {"event": "epoch", "epoch": 2, "train": {"loss": 0.9}, "validation": {"loss": 0.8}}
    axes = curves.plot([*rows, again], METRICS).axes[0]
    assert line(axes, "train") == ([1, 2], [0.5, 0.9])


@settings(max_examples=10)
@given(st.lists(st.none() | st.floats(0, 1e30), max_size=4))
def test_no_row_is_too_strange_to_draw(values: list[float | None]) -> None:
    figure = curves.plot(epoch_rows(values, values[::-1], ["loss"]), ["loss"])
    FigureCanvasAgg(figure).draw()


def test_close_last_values_are_written_apart() -> None:
    axes = curves.plot(epoch_rows([0.0, 0.5], [0.0, 0.5], METRICS), METRICS).axes[1]
    heights = [text.get_position()[1] for text in axes.texts if text.get_text() == "0.5000"]
    assert len(heights) == 2 and abs(heights[0] - heights[1]) >= 0.08 - 1e-9


def test_the_picture_replaces_the_old_one_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    curves.draw(epoch_rows([0.5], [0.4], METRICS), METRICS, path)
    with Image.open(path) as image:
        assert image.format == "PNG" and image.width > image.height
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_drawing_leaves_the_old_picture(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="could not convert"):
        curves.draw(epoch_rows(["not a number"], [0.4], METRICS), METRICS, path)  # type: ignore[list-item]
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_drawing_leaves_pyplot_alone() -> None:
    probe = "import sys, mtl_accel.runs.curves; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0
