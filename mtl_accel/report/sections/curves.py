"""Curves of all runs over the epochs: each metric, training beside validation, and the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ...metrics.registry import title
from ...runs.curves import span_epochs
from ..drawing import MUTED, Drawing, Mark, draw, mark, new_axes
from ..records import reference
from ..records.runs import COMPOSITE, RunRecord

_MAX_LARGE_DOTS = 30  # epochs; more of them run together
_LEARNING_RATE_SPAN = 1e4  # of the highest shown learning rate by the lowest one
Values = Mapping[int, float]  # by epoch


def metrics_of(records: Sequence[RunRecord]) -> list[str]:
    """Metrics that get a curve: the loss, every primary metric, and their mean where any run has several tasks."""
    primary = list(dict.fromkeys(metric for record in records for metric in record.primary_metrics))
    several = any(len(record.tasks) > 1 for record in records)
    return ["loss", *primary, *([COMPOSITE] if several else [])]


def metric_curves(records: Sequence[RunRecord]) -> list[Drawing]:
    """One figure a metric, with validation as a solid line, train dashed, and the source's own figures dotted."""
    return [_metric_curve(records, metric) for metric in metrics_of(records)]


def _metric_curve(records: Sequence[RunRecord], metric: str) -> Drawing:
    with epoch_axes([row.epoch for record in records for row in record.epochs]) as axes:
        for number, record in enumerate(records):
            own = mark(number)
            draw_line(axes, record.values("train", metric), own, dashed=True)
            draw_line(axes, record.values("validation", metric), own)
            measured = reference.last_epoch(record, metric)
            if measured is not None:
                axes.axhline(measured, color=own.colour, linewidth=1.2, linestyle=":")
            if best := record.best(metric):
                axes.plot(*best, "o", markersize=10, markerfacecolor="none", markeredgecolor=own.colour)
        sentences = [f"{record.name}: {_metric_words(record, metric)}." for record in records]
        return draw(axes, f"{title(metric)} over the epochs", " ".join(sentences))


def _metric_words(record: RunRecord, metric: str) -> str:
    best = record.best(metric)
    if best is None:
        return "no values"
    words = [f"best validation {best[1]:.4f} in epoch {best[0]}"]
    ends = [(split, values) for split in ("train", "validation") if (values := record.values(split, metric))]
    words += [f"last {split} {values[max(values)]:.4f}" for split, values in ends]
    measured = reference.last_epoch(record, metric)
    return ", ".join(words if measured is None else [*words, f"the source's {measured:.6f}"])


def learning_rate(records: Sequence[RunRecord]) -> Drawing:
    """Learning rate after each epoch; on a logarithmic scale where it falls below a tenth of its highest."""
    values = [
        {row.epoch: row.lr for row in record.epochs if row.lr is not None and math.isfinite(row.lr)}
        for record in records
    ]
    rates = [rate for own in values for rate in own.values() if rate > 0]
    # A schedule that ends at next to nothing must not press all others flat.
    shown = [max(rate, max(rates) / _LEARNING_RATE_SPAN) for rate in rates]
    return value_curves("Learning rate at the end of each epoch", records, values, shown)


def value_curves(
    heading: str, records: Sequence[RunRecord], values: Sequence[Values], shown: Sequence[float]
) -> Drawing:
    """Draw one line a run, on an axis for the values `shown`: logarithmic if they are positive and far apart."""
    with epoch_axes([epoch for own in values for epoch in own]) as axes:
        for number, own in enumerate(values):
            draw_line(axes, own, mark(number))
        lowest, highest = min(shown, default=0.0), max(shown, default=0.0)
        if 0 < lowest < highest / 10:
            axes.set_yscale("log")
            axes.set_ylim(lowest / 1.5, highest * 1.5)
            axes.minorticks_off()
        else:
            axes.set_ylim(min(0.0, 1.1 * lowest), 1.1 * max(0.0, highest) or 1.0)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        words = [f"{record.name}: {_ends(own)}." for record, own in zip(records, values, strict=True)]
        return draw(axes, heading, " ".join(words))


def _ends(values: Values) -> str:
    if not values:
        return "no values"
    first, last = min(values), max(values)
    return f"{values[first]:.4g} in epoch {first}, {values[last]:.4g} in epoch {last}"


@contextmanager
def epoch_axes(epochs: Sequence[int]) -> Iterator[Axes]:
    """Empty axes whose horizontal one spans these epochs."""
    with new_axes() as axes:
        axes.set_xlabel("epoch")
        axes.grid(axis="y")
        axes.tick_params(length=3)
        if epochs:
            span_epochs(axes, min(epochs), max(epochs))
        else:
            axes.text(0.5, 0.5, "no epoch yet", transform=axes.transAxes, ha="center", color=MUTED)
        yield axes


def draw_line(axes: Axes, values: Values, mark: Mark, shift: float = 0.0, *, dashed: bool = False) -> None:
    """Draw a run's values. Epochs without one leave a gap; `shift` moves the line along the epochs."""
    if not values:
        return
    epochs = np.arange(min(values), max(values) + 1)
    heights = [values.get(int(epoch), np.nan) for epoch in epochs]
    dot = 4.5 if len(epochs) <= _MAX_LARGE_DOTS else 1.5
    looks: Any = {"linewidth": 1.8, "marker": mark.marker, "markersize": dot}
    if dashed:  # without dots, but a line of one value is seen by its dot alone
        looks = {"linewidth": 1.1, "linestyle": (0, (4, 2)), "marker": "_" if len(values) == 1 else ""}
    axes.plot(epochs + shift, heights, color=mark.colour, **looks)
