"""F1 of each label as bars, the runs beside one another, and the confusion matrix of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..elements import palette, svg
from ..elements.svg import Drawing
from ..records.validation import Confusion, LabelFigures, TaskFigures

MOST_RUNS = 6  # side by side; more bars of one label cannot be sentences apart
MOST_LABELS = 40
_BAR_INCHES, _GAP_INCHES = 0.13, 0.14
_NAME_WIDTH = 22  # characters
_STRONGEST = 0.62  # of the accent, behind a number that must stay legible


def label_bars(task: str, runs: Mapping[int, TaskFigures], names: Sequence[str], key: str) -> Drawing:
    """F1 of each label of a task, at threshold 0.5 where there is one.

    Args:
        runs: by their place in the report, which decides their colour.
        names: of all runs of the report.
    """
    values = {number: {label.label: label.f1 for label in figures.labels} for number, figures in runs.items()}
    labels = _chosen_labels(list(runs.values()))
    step = len(runs) * _BAR_INCHES + _GAP_INCHES
    with svg.style():
        figure = Figure(figsize=(4.5, 0.6 + step * len(labels)), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        for place, (number, f1) in enumerate(values.items()):
            offset = ((len(runs) - 1) / 2 - place) * _BAR_INCHES / step
            heights = np.arange(len(labels))[::-1] + offset
            lengths = [f1.get(label.label) or 0.0 for label in labels]
            colour = palette.mark(number).colour.light
            axes.barh(heights, lengths, height=0.86 * _BAR_INCHES / step, color=colour, linewidth=0)
            for height, length in zip(heights, lengths, strict=True):
                if len(runs) == 1:
                    axes.text(length + 0.01, height, f"{length:.2f}", va="center", fontsize=7.5)
        shown = [f"{svg.legible(label.label, _NAME_WIDTH)} ({label.support})" for label in labels]
        axes.set_yticks(np.arange(len(labels))[::-1], shown, color=palette.INK.light, fontsize=9.5)
        axes.set(xlim=(0, 1.09 if len(runs) == 1 else 1), ylim=(-0.6, len(labels) - 0.4), xlabel="F1 on validation")
        axes.set_xticks(np.linspace(0, 1, 6))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        sentences = " ".join(f"{names[number]}: {_sentence(labels, f1)}." for number, f1 in values.items())
        return svg.draw(figure, key, f"F1 of each label of {task}", sentences)


def _chosen_labels(runs: Sequence[TaskFigures]) -> list[LabelFigures]:
    """Of all runs, in their order; of too many the ones that the first run that has them does worst."""
    labels = {label.label: label for figures in reversed(runs) for label in reversed(figures.labels)}
    ordered = list(reversed(labels.values()))
    worst = sorted(ordered, key=lambda label: 2.0 if label.f1 is None else label.f1)[:MOST_LABELS]
    return [label for label in ordered if label in worst]


def _sentence(labels: Sequence[LabelFigures], f1: Mapping[str, float | None]) -> str:
    values = [(label.label, f1.get(label.label)) for label in labels]
    return ", ".join(f"{name} {'unlabelled' if value is None else f'{value:.2f}'}" for name, value in values)


def confusion_matrix(task: str, run: str, confusion: Confusion, key: str) -> Drawing:
    """Each row holds the images of one true class; the tint is the share of the row, and the number their count."""
    counts = np.array(confusion.counts, dtype=np.float64)
    size = len(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shown = [svg.legible(name, _NAME_WIDTH) for name in confusion.classes]
    with svg.style():
        figure = Figure(figsize=(4.6, 4.6), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.subplots()
        for (row, column), part in np.ndenumerate(share):
            tint = {"facecolor": palette.ACCENT.light, "alpha": _STRONGEST * part, "linewidth": 0}
            axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, **tint))
            if counts[row, column]:
                weight, points = ("bold" if row == column else "normal"), (8 if size <= 12 else 6)
                text = f"{counts[row, column]:.0f}"
                axes.text(column, row, text, ha="center", va="center", fontweight=weight, fontsize=points)
        axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xlabel="predicted class", ylabel="true class")
        axes.set_aspect("equal")
        axes.set_xticks(range(size), shown, rotation=90, color=palette.INK.light)
        axes.set_yticks(range(size), shown, color=palette.INK.light)
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.tick_params(which="both", length=0)
        axes.grid(which="minor", linewidth=0.6)
        axes.spines[["left", "bottom"]].set_visible(False)
        return svg.draw(figure, key, f"Confusion matrix of {task}, {run}", _confusions_told(confusion))


def _confusions_told(confusion: Confusion) -> str:
    right = sum(confusion.counts[index][index] for index in range(len(confusion.counts)))
    total = sum(map(sum, confusion.counts))
    most = "; ".join(f"{true} taken for {taken}: {count}" for true, taken, count in confusion.most)
    return f"{right} of {total} images on the diagonal. Most often confused: {most or 'nothing'}."
