"""Figures of conflicts: for each pair of tasks, cosine and norm ratio of their gradients over the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from ..drawing import MUTED, Drawing, draw, mark
from ..records.runs import RunRecord
from ..tables import Cell, Row, Table, figure
from .curves import draw_line, epoch_axes

_MAX_PAIRS = 6  # with figures; five tasks already make ten pairs
MAX_DOTS = 300  # of one run; more make the page heavy and tell nothing new
_MAX_LOG_RATIO = np.log(1e4)  # a gradient that is next to nothing must not press all others flat
_KINDS = {"run": int, "first": object, "second": object, "at": float, "epoch": int, "cosine": float, "log_ratio": float}
_NO_STEP = "no step had a gradient of both tasks"


class Conflicts(NamedTuple):
    """Two figures for each pair; `left_out`: how many pairs conflict less often and stand in the table alone."""

    drawings: list[Drawing]
    table: Table
    left_out: int


def conflicts(records: Sequence[RunRecord]) -> Conflicts | None:
    """Draw and count the conflicts of all runs; None where no run has measured any."""
    steps = measured_steps(records)
    if steps.empty:
        return None
    shares = steps.groupby(["tasks", "run"], sort=False)["cosine"].agg(share_in_conflict)
    often = shares.groupby("tasks", sort=False).max()
    most = often.sort_values(ascending=False, kind="stable").index[:_MAX_PAIRS]
    drawings = []
    for tasks in [tasks for tasks in often.index if tasks in most]:
        own = steps[steps["tasks"] == tasks]
        drawings += [_cosine_figure(records, own), _ratio_figure(records, own)]
    return Conflicts(drawings, _table(records, steps), len(often) - len(most))


def measured_steps(records: Sequence[RunRecord]) -> pd.DataFrame:
    """One row a measured step and pair of tasks.

    Columns: `run`, its place in the report; `first` and `second`, the tasks, always in the order in which the pair came
    first, and `tasks`, both in words; `at`, how many epochs were over before the step, such as 1.5 half-way through the
    second one; `epoch` from 1; `cosine`, and `log_ratio`, the natural logarithm of the first task's norm over the
    second's, both NaN where one of the two had no gradient.
    """
    order: dict[frozenset[str], tuple[str, str]] = {}
    rows = []
    for number, record in enumerate(records):
        steps_per_epoch = record.steps_per_epoch
        for step in record.conflicts:
            at = step.epoch - 1 + (step.step - 1) / steps_per_epoch
            for pair in step.pairs:
                tasks = order.setdefault(frozenset(pair.tasks), pair.tasks)
                log_ratio = np.log(pair.norm_ratio) if pair.norm_ratio else np.nan
                turned = log_ratio if tasks == pair.tasks else -log_ratio
                rows.append((number, *tasks, at, step.epoch, pair.cosine, turned))
    steps = pd.DataFrame(rows, columns=list(_KINDS)).astype(_KINDS).replace([np.inf, -np.inf], np.nan)
    return steps.assign(
        tasks=steps["first"] + " and " + steps["second"],
        log_ratio=steps["log_ratio"].clip(-_MAX_LOG_RATIO, _MAX_LOG_RATIO),
    )


def share_in_conflict(cosine: pd.Series) -> float:
    """Share of the measured steps whose cosine is below 0."""
    return float((cosine < 0).sum() / max(cosine.count(), 1))


def _cosine_figure(records: Sequence[RunRecord], steps: pd.DataFrame) -> Drawing:
    with epoch_axes([0, int(steps["epoch"].max())]) as axes:
        axes.axhline(0, color=MUTED, linewidth=1.2)
        for number, own in steps.groupby("run"):
            _draw_steps(axes, own, own["cosine"], _epoch_means(own, "cosine"), number)
        limit = 1.08 * max(0.05, steps["cosine"].abs().max())
        axes.set(ylim=(-limit, limit), ylabel="cosine")
        axes.text(0.99, 0.02, "in conflict", transform=axes.transAxes, ha="right", color=MUTED)
        words = [f"{records[number].name}: {_cosine_words(own)}." for number, own in steps.groupby("run")]
        return draw(axes, f"Cosine of the gradients of {steps['tasks'].iloc[0]}", " ".join(words))


def _ratio_figure(records: Sequence[RunRecord], steps: pd.DataFrame) -> Drawing:
    with epoch_axes([0, int(steps["epoch"].max())]) as axes:
        axes.set_yscale("log")
        axes.axhline(1, color=MUTED, linewidth=1.2)
        for number, own in steps.groupby("run"):
            _draw_steps(axes, own, np.exp(own["log_ratio"]), np.exp(_epoch_means(own, "log_ratio")), number)
        limit = 1.2 * float(np.exp(max(np.log(2), steps["log_ratio"].abs().max())))
        axes.set(ylim=(1 / limit, limit), ylabel="ratio of norms")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if limit < 30 else (1,)))
        axes.yaxis.set_major_formatter(lambda ratio, _: f"{ratio:g}")
        axes.minorticks_off()
        words = [f"{records[number].name}: {_ratio_words(own)}." for number, own in steps.groupby("run")]
        title = f"Norm of the gradient of {steps['first'].iloc[0]} over that of {steps['second'].iloc[0]}"
        return draw(axes, title, " ".join(words))


def _draw_steps(axes: Axes, steps: pd.DataFrame, values: pd.Series, means: pd.Series, number: int) -> None:
    """Draw a pale dot for a step, and the mean of each epoch as a line through the epochs' middles."""
    own = mark(number)
    chosen = np.linspace(0, len(steps) - 1, min(len(steps), MAX_DOTS)).round().astype(int)
    looks: Any = {"marker": own.marker, "markersize": 3, "markeredgewidth": 0, "alpha": 0.55, "linestyle": ""}
    axes.plot(steps["at"].iloc[chosen], values.iloc[chosen], color=own.colour, **looks)
    draw_line(axes, means.to_dict(), own, shift=-0.5)


def _epoch_means(steps: pd.DataFrame, column: str) -> pd.Series:
    """Mean of each epoch that has a value."""
    return steps.groupby("epoch")[column].mean().dropna()


def _cosine_words(steps: pd.DataFrame) -> str:
    cosine, means = steps["cosine"], _epoch_means(steps, "cosine")
    if means.empty:
        return _NO_STEP
    count = f"in conflict in {(cosine < 0).sum()} of {cosine.count()} measured steps ({share_in_conflict(cosine):.0%})"
    ends = f", {means.iloc[0]:+.3f} in the first epoch and {means.iloc[-1]:+.3f} in the last" if len(means) > 1 else ""
    return f"{count}, mean cosine {cosine.mean():+.3f}{ends}"


def _ratio_words(steps: pd.DataFrame) -> str:
    means = np.exp(_epoch_means(steps, "log_ratio"))
    if means.empty:
        return _NO_STEP
    ends = f", {means.iloc[0]:.3g} in the first epoch and {means.iloc[-1]:.3g} in the last" if len(means) > 1 else ""
    return f"geometric mean {np.exp(steps['log_ratio'].mean()):.3g}{ends}"


def _table(records: Sequence[RunRecord], steps: pd.DataFrame) -> Table:
    rows = []
    for (number, tasks), own in steps.groupby(["run", "tasks"], sort=False):
        cosine, ratio = own["cosine"], np.exp(own["log_ratio"].mean())
        cells = (
            Cell(records[number].name),
            Cell(tasks),
            Cell(str(cosine.count())),
            Cell(str((cosine < 0).sum()), f"{share_in_conflict(cosine):.0%}" if cosine.count() else ""),
            Cell(figure(cosine.mean(), 3)),
            Cell(figure(None) if np.isnan(ratio) else f"{ratio:.3g}"),
        )
        rows.append(Row(cells, number))
    caption = "Steps in which the gradients of two tasks are in conflict: their cosine is below 0"
    head = ("run", "tasks", "measured steps", "in conflict", "mean cosine", "norm ratio")
    return Table(caption, head, tuple(rows), frozenset({0, 1}))
