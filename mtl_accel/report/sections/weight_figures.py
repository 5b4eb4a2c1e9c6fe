"""What a balancing that adapts multiplied each task's loss with, over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..elements import svg
from ..elements.svg import Drawing
from ..elements.tables import ABSENT, Cell, Row, Table, figure
from ..records.runs import RunRecord
from .figures import Panel, line, marked, panel

Weights = Mapping[int, float]  # by epoch


@dataclass(frozen=True)
class TaskWeights:
    """One figure for each task, all of one height so that they compare, and the same in a table."""

    panels: list[Panel]
    table: Table


def task_weights(records: Sequence[RunRecord]) -> TaskWeights | None:
    """None where no run's weights change."""
    by_run = [_weights(record) for record in records]
    tasks = list(dict.fromkeys(task for weights in by_run for task in weights))
    if not tasks:
        return None
    panels = [
        Panel(_panel(records, task, [weights.get(task, {}) for weights in by_run], _limits(by_run), f"weight-{n}"), "")
        for n, task in enumerate(tasks)
    ]
    return TaskWeights(panels, _table(records, tasks, by_run))


def _weights(record: RunRecord) -> dict[str, dict[int, float]]:
    """By task and epoch; what is no number is left out."""
    found: dict[str, dict[int, float]] = {}
    for row in record.epochs:
        for task, weight in row.task_weights.items():
            if weight is not None and math.isfinite(weight):
                found.setdefault(task, {})[row.epoch] = weight
    return found


def _limits(by_run: Sequence[Mapping[str, Weights]]) -> tuple[float, float]:
    """The lowest and the highest weight of any task and run."""
    every = [weight for weights in by_run for values in weights.values() for weight in values.values()]
    return min(every), max(every)


def _panel(
    records: Sequence[RunRecord], task: str, runs: Sequence[Weights], limits: tuple[float, float], key: str
) -> Drawing:
    with svg.style():
        drawn, axes = panel([epoch for weights in runs for epoch in weights])
        for (_, mark), weights in zip(marked(records), runs, strict=True):
            line(axes, weights, mark, linewidth=1.8, marker=mark.marker)
        lowest, highest = limits
        if 0 < lowest < highest / 10:
            axes.set_yscale("log")
            axes.set_ylim(lowest / 1.5, highest * 1.5)
            axes.minorticks_off()
        else:
            axes.set_ylim(min(0.0, 1.1 * lowest), 1.1 * max(0.0, highest) or 1.0)
        axes.yaxis.set_major_formatter(lambda weight, _: f"{weight:g}")
        sentences = [_sentence(record, weights) for record, weights in zip(records, runs, strict=True) if weights]
        return svg.draw(drawn, key, f"Weight of {task}, mean of each epoch", " ".join(sentences))


def _sentence(record: RunRecord, weights: Weights) -> str:
    first, last = min(weights), max(weights)
    return f"{record.name}: {weights[first]:.4f} in epoch {first}, {weights[last]:.4f} in epoch {last}."


def _table(records: Sequence[RunRecord], tasks: Sequence[str], by_run: Sequence[Mapping[str, Weights]]) -> Table:
    rows = [
        Row((Cell(records[number].name), *(_cell(weights.get(task, {})) for task in tasks)), number)
        for number, weights in enumerate(by_run)
        if weights
    ]
    caption = "What the balancing multiplies each task's loss with: mean of the last epoch, beside the first"
    return Table(caption, ("run", *tasks), tuple(rows))


def _cell(weights: Weights) -> Cell:
    if not weights:
        return Cell(ABSENT)
    first, last = min(weights), max(weights)
    note = f"{figure(weights[first])} in epoch {first}" if first != last else ""
    return Cell(figure(weights[last]), note)
