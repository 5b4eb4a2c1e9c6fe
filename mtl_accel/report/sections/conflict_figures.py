"""What the conflict meter saw: for each pair of tasks cosine and norm ratio of their gradients over the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from ..elements import palette, svg
from ..elements.tables import Cell, Row, Table, figure
from ..records.runs import RunRecord
from .figures import Panel, line, marked, panel

_MOST_PAIRS = 6  # with figures; five tasks already make ten pairs
MOST_DOTS = 300  # of one run; more make the page heavy and tell nothing new
_MOST_NAMED = 6  # runs below a figure
_FARTHEST = np.log(1e4)  # ratio of norms that is still sentences from larger ones
_HEAD = ("run", "tasks", "measured steps", "in conflict", "mean cosine", "norm ratio")
Tasks = tuple[str, str]


@dataclass(frozen=True)
class Conflicts:
    """Two figures for each pair; `left_out`: how many pairs conflict less often and stand in the table alone."""

    panels: list[Panel]
    table: Table
    left_out: int


class Series(NamedTuple):
    """A pair of tasks in one run, each float64 [N]: NaN where one of the tasks had no gradient.

    `epochs`: how many epochs were over before each measured step, such as 1.5 half-way through the second one.
    `log_ratio`: natural logarithm of the first task's norm over the second's.
    """

    epochs: np.ndarray
    cosine: np.ndarray
    log_ratio: np.ndarray

    @property
    def measured(self) -> int:
        return int(np.isfinite(self.cosine).sum())

    @property
    def in_conflict(self) -> int:
        return int((self.cosine < 0).sum())

    @property
    def share(self) -> float:
        """Of the measured steps, those in conflict."""
        return self.in_conflict / max(self.measured, 1)


def conflicts(records: Sequence[RunRecord]) -> Conflicts | None:
    """None where no run has measured any."""
    found: dict[Tasks, dict[int, Series]] = {}
    for number, record in enumerate(records):
        for tasks, series in _series(record, list(found)).items():
            found.setdefault(tasks, {})[number] = series
    if not found:
        return None
    often = {tasks: max(series.share for series in runs.values()) for tasks, runs in found.items()}
    ranked = sorted(found, key=lambda tasks: -often[tasks])[:_MOST_PAIRS]
    panels = []
    for place, tasks in enumerate(tasks for tasks in found if tasks in ranked):
        panels.append(_cosine_panel(records, tasks, found[tasks], f"cosine-{place}"))
        panels.append(_ratio_panel(records, tasks, found[tasks], f"ratio-{place}"))
    return Conflicts(panels, _table(records, found), len(found) - len(ranked))


def _series(record: RunRecord, known: Sequence[Tasks]) -> dict[Tasks, Series]:
    """Each pair in the order of its tasks that another run has, if any has."""
    steps = record.steps_an_epoch
    values: dict[Tasks, list[tuple[float, float, float]]] = {}
    for row in record.conflicts:
        for pair in row.pairs:
            first, second = pair.tasks
            turned = (second, first) in known
            ratio = pair.norm_ratio or np.nan
            # A gradient that is next to nothing must not press all others flat.
            log_ratio = np.clip(np.log(ratio), -_FARTHEST, _FARTHEST) if np.isfinite(ratio) and ratio > 0 else np.nan
            cosine = np.nan if pair.cosine is None or not np.isfinite(pair.cosine) else pair.cosine
            at = row.epoch - 1 + (row.step - 1) / steps
            key = (second, first) if turned else (first, second)
            values.setdefault(key, []).append((at, cosine, -log_ratio if turned else log_ratio))
    return {tasks: Series(*np.array(rows, dtype=np.float64).T) for tasks, rows in values.items()}


def _cosine_panel(records: Sequence[RunRecord], tasks: Tasks, runs: Mapping[int, Series], key: str) -> Panel:
    with svg.style():
        drawn, axes = panel([0, _last_epoch(runs)])
        axes.axhline(0, color=palette.MUTED.light, linewidth=1.2)
        for number, (_, mark) in enumerate(marked(records)):
            if number in runs:
                _draw(axes, runs[number].epochs, runs[number].cosine, mark)
        highest = max([0.05, *(abs(v) for s in runs.values() for v in s.cosine[np.isfinite(s.cosine)])])
        axes.set_ylim(-1.08 * highest, 1.08 * highest)
        axes.set_ylabel("cosine")
        axes.text(0.99, 0.02, "in conflict", transform=axes.transAxes, ha="right", color=palette.MUTED.light)
        title = f"Cosine of the gradients of {tasks[0]} and {tasks[1]}"
        sentences = " ".join(f"{records[number].name}: {_sentence(series)}." for number, series in runs.items())
        return Panel(svg.draw(drawn, key, title, sentences), _caption(records, runs))


def _ratio_panel(records: Sequence[RunRecord], tasks: Tasks, runs: Mapping[int, Series], key: str) -> Panel:
    with svg.style():
        drawn, axes = panel([0, _last_epoch(runs)])
        axes.set_yscale("log")
        axes.axhline(1, color=palette.MUTED.light, linewidth=1.2)
        for number, (_, mark) in enumerate(marked(records)):
            if number in runs:
                _draw(axes, runs[number].epochs, runs[number].log_ratio, mark, np.exp)
        farthest = max([np.log(2), *(abs(v) for s in runs.values() for v in s.log_ratio[np.isfinite(s.log_ratio)])])
        limit = 1.2 * float(np.exp(farthest))
        axes.set_ylim(1 / limit, limit)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if limit < 30 else (1,)))
        axes.yaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}")
        axes.minorticks_off()
        axes.set_ylabel("ratio of norms")
        title = f"Norm of the gradient of {tasks[0]} over that of {tasks[1]}"
        sentences = [f"{records[number].name}: {_ratio_sentence(series)}." for number, series in runs.items()]
        return Panel(svg.draw(drawn, key, title, " ".join(sentences)), "")


def _last_epoch(runs: Mapping[int, Series]) -> int:
    return int(max(series.epochs.max() for series in runs.values())) + 1


def _draw(
    axes: Axes, epochs: np.ndarray, values: np.ndarray, mark: palette.Mark, shown: np.ufunc = np.positive
) -> None:
    """A pale dot for a step, and the mean of each epoch as a line through the epochs' middles."""
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_DOTS)).round().astype(int))
    looks: Any = {"marker": mark.marker, "markersize": 3, "markeredgewidth": 0, "alpha": 0.55, "linestyle": ""}
    axes.plot(epochs[chosen], shown(values[chosen]), color=mark.colour.light, **looks)
    means = {int(epoch) + 1: float(shown(mean)) for epoch, mean in _means(epochs, values).items()}
    line(axes, means, mark, shift=-0.5, marker=mark.marker, linewidth=1.8)


def _means(epochs: np.ndarray, values: np.ndarray) -> dict[int, float]:
    """Of each epoch, from 0, that has a value."""
    known = np.isfinite(values)
    numbers, places = np.unique(np.floor(epochs[known]).astype(int), return_inverse=True)
    sums = np.bincount(places, weights=values[known])
    return dict(zip(numbers.tolist(), (sums / np.bincount(places)).tolist(), strict=True))


def _sentence(series: Series) -> str:
    means = list(_means(series.epochs, series.cosine).values())
    if not means:
        return "no step had a gradient of both tasks"
    words = f"{_count(series)}, mean cosine {np.nanmean(series.cosine):+.3f}"
    return f"{words}, {means[0]:+.3f} in the first epoch and {means[-1]:+.3f} in the last" if len(means) > 1 else words


def _ratio_sentence(series: Series) -> str:
    means = list(np.exp(list(_means(series.epochs, series.log_ratio).values())))
    if not means:
        return "no step had a gradient of both tasks"
    words = f"geometric mean {_ratio(series)}"
    return f"{words}, {means[0]:.3g} in the first epoch and {means[-1]:.3g} in the last" if len(means) > 1 else words


def _ratio(series: Series) -> str:
    known = series.log_ratio[np.isfinite(series.log_ratio)]
    return f"{np.exp(known.mean()):.3g}" if known.size else figure(None)


def _count(series: Series) -> str:
    return f"in conflict in {series.in_conflict} of {series.measured} measured steps ({series.share:.0%})"


def _caption(records: Sequence[RunRecord], runs: Mapping[int, Series]) -> str:
    named = list(runs.items())
    which = ""
    if len(named) > _MOST_NAMED:
        named = [pick(named, key=lambda item: item[1].share) for pick in (max, min)]
        which = "Most and least often: "
    return which + "; ".join(f"{records[number].name} {_count(series)}" for number, series in named)


def _table(records: Sequence[RunRecord], found: Mapping[Tasks, Mapping[int, Series]]) -> Table:
    rows = [
        Row(
            (
                Cell(records[number].name),
                Cell(f"{tasks[0]} and {tasks[1]}"),
                Cell(str(series.measured)),
                Cell(str(series.in_conflict), f"{series.share:.0%}" if series.measured else ""),
                Cell(figure(float(np.nanmean(series.cosine)), 3) if series.measured else figure(None)),
                Cell(_ratio(series)),
            ),
            number,
        )
        for number in range(len(records))
        for tasks, runs in found.items()
        if (series := runs.get(number))
    ]
    caption = "Steps in which the gradients of two tasks are in conflict: their cosine is below 0"
    return Table(caption, _HEAD, tuple(rows), frozenset({0, 1}))
