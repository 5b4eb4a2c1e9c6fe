"""Curves of all runs over the epochs: each metric, train beside validation, and the learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...runs import curves
from ..elements import palette, svg
from ..elements.svg import Drawing
from ..records import reference
from ..records.runs import COMPOSITE, RunRecord

INCHES = (4.5, 3.0)
_MOST_DOTS = 30  # epochs; more of them run together
_MOST_NAMED = 6  # runs below a figure
_SHOWN_RANGE = 1e4  # highest learning rate by the lowest one


def title(metric: str) -> str:
    return "Composite" if metric == COMPOSITE else curves.title(metric)


def metrics_of(records: Sequence[RunRecord]) -> list[str]:
    """What gets a panel: the loss, every primary metric, and their mean where any run has several tasks."""
    primary = list(dict.fromkeys(metric for record in records for metric in record.primary_metrics))
    several = any(len(record.tasks) > 1 for record in records)
    return ["loss", *primary, *([COMPOSITE] if several else [])]


class Panel(NamedTuple):
    """A figure and what stands below it."""

    drawing: Drawing
    caption: str


def metric_panels(records: Sequence[RunRecord]) -> list[Panel]:
    """One figure a metric. Validation is drawn through, train dashed, and what the source measured dotted."""
    return [
        Panel(_metric_panel(records, metric, f"curve-{place}"), _overfitting(records, metric))
        for place, metric in enumerate(metrics_of(records))
    ]


def _overfitting(records: Sequence[RunRecord], metric: str) -> str:
    gaps = [(gap.size, record.name) for record in records if (gap := record.gap(metric))]
    if not gaps:
        return ""
    which = ""
    if len(gaps) > _MOST_NAMED:
        gaps, which = [max(gaps), min(gaps)], ", the largest and the smallest"
    return f"Overfitting in the last epoch{which}: {', '.join(f'{name} {size:+.3f}' for size, name in gaps)}"


def _metric_panel(records: Sequence[RunRecord], metric: str, key: str) -> Drawing:
    with svg.style():
        figure, axes = panel([epoch.epoch for record in records for epoch in record.epochs])
        sentences = []
        for record, mark in marked(records):
            train, validation = record.values("train", metric), record.values("validation", metric)
            line(axes, train, mark, linestyle=(0, (4, 2)), linewidth=1.1)
            line(axes, validation, mark, linewidth=1.8, marker=mark.marker)
            measured = reference.of(record)
            if measured and metric in measured.last_epoch:
                axes.axhline(measured.last_epoch[metric], color=mark.colour.light, linewidth=1.2, linestyle=":")
            if best := record.best(metric):
                axes.plot(*best, "o", markersize=10, markerfacecolor="none", markeredgecolor=mark.colour.light)
            sentences.append(_sentence(record, metric, train, validation))
        return svg.draw(figure, key, f"{title(metric)} over the epochs", " ".join(sentences))


def learning_rate(records: Sequence[RunRecord]) -> Drawing:
    """The learning rate after each epoch; on a logarithmic scale where it falls below a tenth of its highest."""
    with svg.style():
        figure, axes = panel([epoch.epoch for record in records for epoch in record.epochs])
        sentences, seen = [], []
        for record, mark in marked(records):
            rates = {row.epoch: row.lr for row in record.epochs if row.lr is not None and np.isfinite(row.lr)}
            line(axes, rates, mark, linewidth=1.6, marker=mark.marker)
            seen += [rate for rate in rates.values() if rate > 0]
            ends = list(rates.values())
            sentences.append(
                f"{record.name}: from {ends[0]:g} to {ends[-1]:g}." if ends else f"{record.name}: none known."
            )
        if seen and min(seen) < max(seen) / 10:
            axes.set_yscale("log")
            # A schedule that ends at next to nothing must not press all others flat.
            axes.set_ylim(max(min(seen), max(seen) / _SHOWN_RANGE) / 1.5, max(seen) * 1.5)
            axes.minorticks_off()
        else:
            axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
        return svg.draw(figure, "learning-rate", "Learning rate at the end of each epoch", " ".join(sentences))


def marked(records: Sequence[RunRecord]) -> Iterator[tuple[RunRecord, palette.Mark]]:
    """Each run with its look, which its place in the report decides."""
    return ((record, palette.mark(number)) for number, record in enumerate(records))


def panel(epochs: Sequence[int]) -> tuple[Figure, Axes]:
    """An empty figure whose horizontal axis spans these epochs."""
    figure = Figure(figsize=INCHES, layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    if epochs:
        margin = max(0.4, 0.03 * (max(epochs) - min(epochs)))
        axes.set_xlim(min(epochs) - margin, max(epochs) + margin)
    else:
        axes.text(0.5, 0.5, "no epoch yet", transform=axes.transAxes, ha="center", color=palette.MUTED.light)
    axes.grid(axis="y")
    axes.tick_params(length=3)
    return figure, axes


def line(
    axes: Axes, values: Mapping[int, float], mark: palette.Mark, marker: str = "", shift: float = 0.0, **looks: Any
) -> None:
    """Epochs without a value leave a gap; `shift` moves the line along the epochs."""
    if not values:
        return
    epochs = np.arange(min(values), max(values) + 1)
    heights = [values.get(int(epoch), np.nan) for epoch in epochs]
    # A value between two gaps is seen by its dot alone, and so is a line of one value.
    marker = marker or ("_" if len(values) == 1 else "")
    dot = 4.5 if len(epochs) <= _MOST_DOTS else 1.5
    axes.plot(epochs + shift, heights, color=mark.colour.light, marker=marker, markersize=dot, **looks)


def _sentence(record: RunRecord, metric: str, train: Mapping[int, float], validation: Mapping[int, float]) -> str:
    best = record.best(metric)
    if best is None:
        return f"{record.name}: no values."
    words = [f"best validation {best[1]:.4f} in epoch {best[0]}"]
    ends = (("train", train), ("validation", validation))
    words += [f"last {name} {values[max(values)]:.4f}" for name, values in ends if values]
    measured = reference.of(record)
    if measured and metric in measured.last_epoch:
        words.append(f"the source's {measured.last_epoch[metric]:.6f}")
    return f"{record.name}: {', '.join(words)}."
