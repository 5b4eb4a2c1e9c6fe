"""Picture of a range test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...runs.curves import COLOURS, GREY, LINE_WIDTH, PANEL_INCHES, save_figure, style_axes
from .finding import LRFinding, format_rate, smooth

_ROOM_ABOVE = 0.6  # of the height between the lowest and the first loss: a diverging loss leaves the picture


def draw(finding: LRFinding, path: Path) -> None:
    """Write the picture as a PNG, whole or not at all; the folder of the path exists."""
    save_figure(plot(finding), path)


def plot(finding: LRFinding) -> Figure:
    """One panel of the total loss with the suggestions, and one of each task's loss where there are several."""
    # A list: a task may be named "Loss".
    panels = [("Loss", finding.total), *(finding.losses.items() if len(finding.losses) > 1 else ())]
    size = (PANEL_INCHES[0] * len(panels), PANEL_INCHES[1] + 0.4)
    figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for each, (name, losses) in zip(axes, panels, strict=True):
        _draw_panel(each, name, np.array(finding.rates), np.array(losses))
    marks = ((finding.suggestion, COLOURS["validation"], "steepest"), (finding.tenth_of_minimum, GREY, "minimum / 10"))
    for rate, colour, text in marks:
        if rate is not None:
            axes[0].axvline(
                rate, color=colour, linewidth=LINE_WIDTH, linestyle=":", label=f"{text}: {format_rate(rate)}"
            )
    axes[0].legend(loc="lower left", fontsize=8, frameon=False)
    return figure


def _draw_panel(axes: Axes, name: str, rates: np.ndarray, losses: np.ndarray) -> None:
    smoothed = np.array(smooth(losses.tolist()))
    axes.set_title(name, loc="left", fontsize=11, fontweight="bold", parse_math=False)
    axes.set_xlabel("Learning rate", fontsize=9, color=GREY)
    axes.set_xscale("log")
    style_axes(axes)
    axes.plot(rates, losses, color="#c9c9c9", linewidth=0.8, label="each step")
    axes.plot(rates, smoothed, color=COLOURS["train"], linewidth=LINE_WIDTH, label="smoothed")
    known = smoothed[np.isfinite(smoothed)]
    if len(known):
        falling = np.concatenate([known[: known.argmin() + 1], losses[: known.argmin() + 1]])
        low, high = falling.min(), falling.max()
        height = (high - low) or abs(high) or 1.0
        axes.set_ylim(low - 0.1 * height, high + _ROOM_ABOVE * height)
