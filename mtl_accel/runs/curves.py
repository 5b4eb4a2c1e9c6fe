"""curves.png: loss and each task's metric over the epochs, train beside validation."""

from __future__ import annotations

import gc
import math
import os
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..core import atomic_io
from ..metrics.registry import lower_is_better, title
from .log import RunLog

# Blue and vermilion of Okabe and Ito, distinct with every kind of colour vision.
COLOURS = {"train": "#0072B2", "validation": "#D55E00"}
GREY = "#6b6b6b"
PANEL_INCHES = (4.4, 3.1)
MAX_COLUMNS = 3
LINE_WIDTH = 1.6  # points
_PAUSE = 20  # times as long as the last drawing took, before the next one


class CurvesFile:
    """curves.png of a run, redrawn after an epoch unless drawing would take more than a twentieth of the run's time."""

    def __init__(self, path: Path, metric_names: Sequence[str]) -> None:
        self.path, self.metric_names = path, metric_names
        self._not_before = 0.0

    def redraw(self, log: RunLog, *, last: bool = False) -> None:
        """Draw the epochs that are in the log; `last`: in any case."""
        begin = time.monotonic()
        if begin < self._not_before and not last:
            return
        draw([row for row in log.rows() if row["event"] == "epoch"], self.metric_names, self.path)
        end = time.monotonic()
        self._not_before = end + _PAUSE * (end - begin)


def draw(rows: Sequence[Mapping[str, Any]], metric_names: Sequence[str], path: Path) -> None:
    """Write the figure of `plot` as a PNG, whole or not at all; the folder of the path exists."""
    save_figure(plot(rows, metric_names), path)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all; the folder of the path exists."""
    # Written to a temporary and renamed, so that nobody who looks during training finds half a picture.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        FigureCanvasAgg(figure).print_png(str(temporary))
        atomic_io.replace_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
        del figure
        # A figure's parts refer to one another. Python would keep some ten figures, 4 MB each, before it collects them.
        gc.collect()


def plot(rows: Sequence[Mapping[str, Any]], metric_names: Sequence[str]) -> Figure:
    """One panel a metric, such as "loss" or "category/accuracy".

    Args:
        rows: the epoch rows of log.jsonl. Of rows of one epoch the last counts, as after a resume. A value that
            is null, absent or not finite leaves a gap.
        metric_names: the panels, three in a line.
    """
    by_epoch = {row["epoch"]: row for row in rows}
    epochs = sorted(by_epoch)
    num_lines = math.ceil(len(metric_names) / MAX_COLUMNS)
    num_columns = math.ceil(len(metric_names) / num_lines)
    size = (PANEL_INCHES[0] * num_columns, PANEL_INCHES[1] * num_lines + 0.4)
    figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
    panels = figure.subplots(num_lines, num_columns, squeeze=False).flatten()
    for axes in panels[len(metric_names) :]:
        axes.remove()
    for name, axes in zip(metric_names, panels, strict=False):
        values = {split: _series([by_epoch[epoch] for epoch in epochs], split, name) for split in COLOURS}
        _draw_panel(axes, name, np.array(epochs), values)
    figure.legend(handles=_legend(), loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure


def _series(rows: Sequence[Mapping[str, Any]], split: str, name: str) -> np.ndarray:
    """Float [E]; NaN where there is no finite value."""
    values = [(row.get(split) or {}).get(name) for row in rows]
    series = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(series), series, np.nan)


def _draw_panel(axes: Axes, name: str, epochs: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
    """One metric: both splits, the best validation epoch, the last value of each split on the right."""
    axes.set_title(textwrap.fill(title(name), 40), loc="left", fontsize=11, fontweight="bold", pad=18, parse_math=False)
    _style(axes, epochs)
    if np.isnan(list(values.values())).all():
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", va="center", fontsize=9, color=GREY)
        return
    # Few epochs get visible dots; among many a dot is as wide as the line, so that a value between two gaps is
    # still visible.
    dot = float(np.clip(100 / len(epochs), LINE_WIDTH, 4))
    for split, series in values.items():
        axes.plot(epochs, series, color=COLOURS[split], linewidth=LINE_WIDTH, marker="o", markersize=dot, label=split)
    _mark_best(axes, name, epochs, values["validation"])
    _annotate_last(axes, epochs, values)


def _style(axes: Axes, epochs: np.ndarray) -> None:
    axes.set_xlabel("Epoch", fontsize=9, color=GREY)
    span_epochs(axes, *((epochs[0], epochs[-1]) if len(epochs) else (1, 1)))
    style_axes(axes)


def style_axes(axes: Axes) -> None:
    """Grey ticks, two spines, and lines at the values."""
    axes.tick_params(labelsize=8, colors=GREY, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#bbbbbb")
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(y=0.1)


def span_epochs(axes: Axes, first: int, last: int) -> None:
    """Let the horizontal axis hold these epochs, with ticks at whole numbers."""
    margin = max(0.5, 0.03 * (last - first))
    # Less than one epoch on the left: there is no epoch 0 to show.
    axes.set_xlim(first - min(margin, 0.9), last + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def _mark_best(axes: Axes, name: str, epochs: np.ndarray, validation: np.ndarray) -> None:
    """Ring the best validation value, the first of equals, and say it under the title."""
    if np.isnan(validation).all():
        return
    best = np.nanargmin(validation) if lower_is_better(name) else np.nanargmax(validation)
    epoch, value = int(epochs[best]), float(validation[best])
    axes.axvline(epoch, color=COLOURS["validation"], linewidth=0.8, linestyle=":", zorder=1)
    axes.plot([epoch], [value], **_ring())
    text = f"best validation {_number(value)}, epoch {epoch}"
    axes.text(0, 1.03, text, transform=axes.transAxes, fontsize=8.5, color=GREY, va="bottom")


def _annotate_last(axes: Axes, epochs: np.ndarray, values: Mapping[str, np.ndarray]) -> None:
    """Write the last value of each split right of the panel, at its height, two close ones apart."""
    low, high = axes.get_ylim()
    labels = []
    for split, series in values.items():
        known = np.flatnonzero(~np.isnan(series))
        if known.size:
            value, epoch = float(series[known[-1]]), int(epochs[known[-1]])
            text = f"{_number(value)}" if epoch == epochs[-1] else f"{_number(value)}\n(epoch {epoch})"
            labels.append(((value - low) / (high - low), text, COLOURS[split]))
    labels.sort(key=lambda label: label[0])
    heights = _spread([height for height, _, _ in labels], gap=0.16 if any("\n" in t for _, t, _ in labels) else 0.08)
    for height, (_, text, colour) in zip(heights, labels, strict=True):
        axes.text(1.01, height, text, transform=axes.transAxes, fontsize=8.5, color=colour, va="center")


def _spread(heights: list[float], gap: float) -> list[float]:
    """One or two ascending heights, moved apart evenly where they stand closer than the gap."""
    if len(heights) < 2 or heights[1] - heights[0] >= gap:
        return heights
    middle = sum(heights) / 2
    return [middle - gap / 2, middle + gap / 2]


def _number(value: float) -> str:
    """Four significant digits, trailing zeros too, so that the digits of two values compare."""
    return f"{value:#.4g}".rstrip(".")


def _ring() -> dict[str, Any]:
    """Marker of the best epoch, in the panels and in the legend."""
    colour = COLOURS["validation"]
    return {"marker": "o", "markersize": 9, "markerfacecolor": "none", "markeredgecolor": colour, "linestyle": "none"}


def _legend() -> list[Line2D]:
    lines = [Line2D([], [], color=colour, linewidth=LINE_WIDTH, label=split) for split, colour in COLOURS.items()]
    return [*lines, Line2D([], [], label="best validation epoch", **_ring())]
