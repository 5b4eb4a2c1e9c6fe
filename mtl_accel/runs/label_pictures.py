"""Pictures of a task's labels for trackers: the confusion matrix of classes, and F1 of each label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .curves import COLOURS, GREY

MAX_CLASSES = 40  # of a matrix, beyond which nothing can be read in it
_MAX_LABELS = 40  # the worst ones
_MAX_NUMBERS = 20  # classes of a matrix, beyond which counts are left to the tint
_NAME_WIDTH = 22  # characters
_DARKEST = 1.6  # share of a row with the darkest tint: none is so large, so that numbers can be read on all


def draw_confusion(title: str, classes: Sequence[str], counts: np.ndarray) -> np.ndarray:
    """Draw a confusion matrix: a row for each true class; the tint is the share of the row. uint8 [H, W, 3].

    Args:
        counts: int [K, K], of the true class by the predicted one.
    """
    size = len(classes)
    figure = Figure(figsize=(2.5 + 0.32 * size, 2.2 + 0.32 * size), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.pcolormesh(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=_DARKEST)
    for row, column in np.argwhere(counts) if size <= _MAX_NUMBERS else ():
        axes.text(column + 0.5, row + 0.5, str(counts[row, column]), ha="center", va="center", fontsize=7)
    names = [name[:_NAME_WIDTH] for name in classes]
    axes.set_xticks(np.arange(size) + 0.5, names, rotation=90, fontsize=8, parse_math=False)
    axes.set_yticks(np.arange(size) + 0.5, names, fontsize=8, parse_math=False)
    axes.set(xlabel="predicted class", ylabel="true class", ylim=(size, 0), aspect="equal")
    axes.set_title(title, fontsize=10, parse_math=False)
    return _pixels(figure)


def draw_label_f1(title: str, labels: Sequence[str], support: np.ndarray, f1: dict[str, np.ndarray]) -> np.ndarray:
    """Draw F1 of each label as bars, of many the worst ones: uint8 [H, W, 3].

    Args:
        support: int [C], number of images with the label.
        f1: [C] by how it was decided, such as {"at 0.5": ..., "at fitted thresholds": ...}; NaN is no bar.
    """
    first = next(iter(f1.values()))
    chosen = np.sort(np.argsort(np.nan_to_num(first, nan=2.0), kind="stable")[:_MAX_LABELS])
    figure = Figure(figsize=(6, 1.3 + 0.3 * len(chosen)), dpi=100, layout="constrained")
    axes, heights = figure.subplots(), np.arange(len(chosen))[::-1]
    for place, ((name, values), colour) in enumerate(zip(f1.items(), COLOURS.values(), strict=False)):
        offset = 0.4 * ((len(f1) - 1) / 2 - place)
        axes.barh(heights + offset, np.nan_to_num(values[chosen]), height=0.36, color=colour, label=name)
    names = [f"{labels[index][:_NAME_WIDTH]} ({support[index]})" for index in chosen]
    axes.set_yticks(heights, names, fontsize=8, parse_math=False)
    axes.set(xlim=(0, 1), xlabel="F1 on validation")
    axes.grid(axis="x", color=GREY, alpha=0.3)
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.legend(fontsize=8, loc="lower right")
    return _pixels(figure)


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
