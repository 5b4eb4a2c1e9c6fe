"""Figures of the tasks' weights over the epochs, where the balancing changes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..drawing import Drawing
from ..records.runs import RunRecord
from ..tables import ABSENT, Cell, Row, Table, figure
from .curves import Values, value_curves


class TaskWeights(NamedTuple):
    """One figure for each task, all of one height so that they compare, and the same in a table."""

    drawings: list[Drawing]
    table: Table


def task_weights(records: Sequence[RunRecord]) -> TaskWeights | None:
    """Draw the weights of all runs; None where no run's weights change."""
    tasks = list(dict.fromkeys(task for record in records for row in record.epochs for task in row.task_weights))
    by_task = {task: runs for task in tasks if any(runs := [_weights(record, task) for record in records])}
    if not by_task:
        return None
    every = [weight for runs in by_task.values() for weights in runs for weight in weights.values()]
    drawings = [
        value_curves(f"Weight of {task}, mean of each epoch", records, runs, every) for task, runs in by_task.items()
    ]
    rows = [
        Row((Cell(record.name), *(_cell(runs[number]) for runs in by_task.values())), number)
        for number, record in enumerate(records)
        if any(runs[number] for runs in by_task.values())
    ]
    caption = "What the balancing multiplies each task's loss with: mean of the last epoch, beside the first"
    return TaskWeights(drawings, Table(caption, ("run", *by_task), tuple(rows)))


def _weights(record: RunRecord, task: str) -> Values:
    """Weights by epoch; what is no number is left out."""
    values = {row.epoch: row.task_weights.get(task) for row in record.epochs}
    return {epoch: value for epoch, value in values.items() if value is not None and math.isfinite(value)}


def _cell(weights: Values) -> Cell:
    if not weights:
        return Cell(ABSENT)
    first, last = min(weights), max(weights)
    return Cell(figure(weights[last]), f"{figure(weights[first])} in epoch {first}" if first != last else "")
