"""F1 of each label as bars, the runs beside one another, and the confusion matrix of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba

from ..drawing import ACCENT, GRID, INK, Drawing, draw, mark, new_axes
from ..records.validation import Confusion, LabelFigures, TaskFigures
from ..text import legible

MAX_RUNS = 6  # side by side; more bars of one label cannot be told apart
MAX_LABELS = 40
_BAR_INCHES, _GAP_INCHES = 0.13, 0.14
_NAME_WIDTH = 22  # characters
_DARKEST_TINT = 0.62  # of the accent, behind a number that must stay legible


def label_bars(task: str, runs: Mapping[int, TaskFigures], names: Sequence[str]) -> Drawing:
    """F1 of each label of a task, at threshold 0.5 where there is one.

    Args:
        runs: by their place in the report, which decides their colour.
        names: of all runs of the report.
    """
    values = {number: {label.label: label.f1 for label in figures.labels} for number, figures in runs.items()}
    labels = _chosen_labels(list(runs.values()))
    step = len(runs) * _BAR_INCHES + _GAP_INCHES
    heights = np.arange(len(labels))[::-1]
    with new_axes(4.5, 0.6 + step * len(labels)) as axes:
        for place, (number, f1) in enumerate(values.items()):
            offset = ((len(runs) - 1) / 2 - place) * _BAR_INCHES / step
            lengths = [f1.get(label.label) or 0.0 for label in labels]
            bars = axes.barh(heights + offset, lengths, height=0.86 * _BAR_INCHES / step, color=mark(number).colour)
            if len(runs) == 1:
                axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7.5)
        shown = [f"{legible(label.label, _NAME_WIDTH)} ({label.support})" for label in labels]
        axes.set_yticks(heights, shown, color=INK, fontsize=9.5)
        axes.set(xlim=(0, 1.09 if len(runs) == 1 else 1), ylim=(-0.6, len(labels) - 0.4), xlabel="F1 on validation")
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        sentences = " ".join(f"{names[number]}: {_label_words(labels, f1)}." for number, f1 in values.items())
        return draw(axes, f"F1 of each label of {task}", sentences)


def _chosen_labels(runs: Sequence[TaskFigures]) -> list[LabelFigures]:
    """Labels of all runs, in their order; of too many the ones that the first run that has them does worst."""
    labels = {label.label: label for figures in reversed(runs) for label in reversed(figures.labels)}
    ordered = list(reversed(labels.values()))
    worst = sorted(ordered, key=lambda label: 2.0 if label.f1 is None else label.f1)[:MAX_LABELS]
    return [label for label in ordered if label in worst]


def _label_words(labels: Sequence[LabelFigures], f1: Mapping[str, float | None]) -> str:
    values = [(label.label, f1.get(label.label)) for label in labels]
    return ", ".join(f"{name} {'unlabelled' if value is None else f'{value:.2f}'}" for name, value in values)


def confusion_matrix(task: str, run: str, confusion: Confusion) -> Drawing:
    """Confusion matrix: a row for each true class; the tint is the share of the row, and the number the count."""
    counts = np.array(confusion.counts)
    size = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [legible(name, _NAME_WIDTH) for name in confusion.classes]
    tint = LinearSegmentedColormap.from_list("tint", [to_rgba(ACCENT, 0), to_rgba(ACCENT, _DARKEST_TINT)])
    with new_axes(4.6, 4.6) as axes:
        axes.pcolormesh(share, cmap=tint, vmin=0, vmax=1, edgecolors=GRID, linewidth=0.6)
        for row, column in np.argwhere(counts):
            weight, points = ("bold" if row == column else "normal"), (8 if size <= 12 else 6)
            looks: Any = {"ha": "center", "va": "center", "fontweight": weight, "fontsize": points}
            axes.text(column + 0.5, row + 0.5, str(counts[row, column]), **looks)
        axes.set_xticks(np.arange(size) + 0.5, names, rotation=90, color=INK)
        axes.set_yticks(np.arange(size) + 0.5, names, color=INK)
        axes.set(xlabel="predicted class", ylabel="true class", aspect="equal", ylim=(size, 0))
        axes.tick_params(length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        most = [f"{true} taken for {taken} ({count})" for true, taken, count in confusion.most]
        right = f"{np.trace(counts)} of {counts.sum()} images on the diagonal"
        description = f"{right}. Most often confused: {', '.join(most) or 'nothing'}."
        caption = f"Most often: {', '.join(most[:3])}." if most else "No image is in a wrong class."
        if confusion.left_out:
            caption += f" {confusion.left_out} classes with fewer mistakes are left out."
        return draw(axes, f"Confusion matrix of {task}, {run}", description, caption)
