"""Whether sharing helps: runs of all tasks against runs of one task each, by the Delta_m of multi-task learning.

A task whose weight is 0 does not train, so a run in which only one has a weight is a run of that one.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pandas as pd

from ..config import Config
from ..config.sections.tasks import primary_metric
from ..metrics.registry import lower_is_better
from ..report.tables import Cell, Row, Table, spread
from .plan import Member


def sharing_table(members: Sequence[Member], frame: pd.DataFrame) -> Table | None:
    """A line for each config of several tasks whose file also ran with each of them alone, as variants.

    Delta_m is the mean over the tasks of how much better the primary metric is than alone, in percent of what it is
    alone (Maninis et al., 2019; Vandenhende et al., 2021); each seed against the same seed.

    Args:
        frame: of `compare`, a row a member, in the same order.

    Returns: None when there is nothing to compare.
    """
    alone = {
        (member.source, member.config.seed, task): frame[metric][place]
        for place, member in zip(frame.index, members, strict=True)
        if len(_metrics(member.config)) == 1
        for task, metric in _metrics(member.config).items()
    }
    gains: dict[str, list[dict[str, float]]] = {}
    for place, member in zip(frame.index, members, strict=True):
        metrics = _metrics(member.config)
        keys = {task: (member.source, member.config.seed, task) for task in metrics}
        if len(metrics) > 1 and all(key in alone for key in keys.values()):
            own = {task: _gain(frame[metric][place], alone[keys[task]], metric) for task, metric in metrics.items()}
            gains.setdefault(str(frame["config"][place]), []).append(own)
    return _table(gains) if gains else None


def _metrics(config: Config) -> dict[str, str]:
    return {name: f"{name}/{primary_metric(task)}" for name, task in config.tasks.items() if task.weight > 0}


def _gain(together: float, alone: float, metric: str) -> float:
    """Gain in percent of the figure alone; NaN where that is 0."""
    sign = -1 if lower_is_better(metric) else 1
    return 100 * sign * (together - alone) / abs(alone) if alone else float("nan")


def _table(gains: dict[str, list[dict[str, float]]]) -> Table:
    tasks = list(dict.fromkeys(task for runs in gains.values() for run in runs for task in run))
    rows = []
    for config, runs in gains.items():
        columns = [[statistics.fmean(run.values()) for run in runs]]
        columns += [[run[task] for run in runs if task in run] for task in tasks]
        rows.append(Row((Cell(config), Cell(str(len(runs))), *(Cell(spread(values, 1)) for values in columns))))
    caption = "Does sharing help? How much better all tasks together are than each alone, in percent, mean ± deviation"
    return Table(caption, ("config", "runs", "Delta_m", *tasks), tuple(rows))
