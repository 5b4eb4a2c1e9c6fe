"""Contents of a report, put together from the runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ..core.errors import UserError
from ..metrics.registry import title
from .drawing import Drawing, Mark, mark
from .records import changes, validation
from .records.runs import RunRecord, shared_metrics
from .records.validation import TaskFigures, Validation
from .sections import conflict_figures, curves, label_figures, leaderboard, weight_figures
from .sections.conflict_figures import Conflicts
from .sections.label_tables import label_table
from .sections.weight_figures import TaskWeights
from .tables import Table

_TOLERANCE = 1e-6  # a metric that is computed anew on the same machine is the same; on another the last digits differ
_MAX_PROBLEMS = 3


@dataclass(frozen=True)
class TaskPart:
    """One task of one run: its figures, drawn and in a table."""

    figures: TaskFigures
    confusion: Drawing | None
    table: Table | None


@dataclass(frozen=True)
class RunPart:
    """One run.

    Attributes:
        changes: from the run `before`, or where there is none the knobs that say what the run is.
        manner_changes: in how, and on what, it ran.
        problems: what keeps the tasks from being shown or believed.
    """

    record: RunRecord
    mark: Mark
    before: str | None
    changes: list[str]
    manner_changes: list[str]
    images: int
    tasks: list[TaskPart]
    problems: list[str]


@dataclass(frozen=True)
class Report:
    """Every part of the page.

    Attributes:
        shared: the primary metrics that all runs have; `lacking`: the others, each with the runs that lack it.
        conflicts, weights: of the runs that measured, or changed, them; None where none did.
        balanced: the runs that `conflicts` and `weights` are of; `with_bars`: those whose labels are drawn.
    """

    runs: list[RunPart]
    leaderboard: Table
    seeds: Table | None
    overfitting: Table
    shared: list[str]
    lacking: Mapping[str, list[str]]
    curves: list[Drawing]
    conflicts: Conflicts | None
    weights: TaskWeights | None
    balanced: list[RunPart]
    bars: list[Drawing]
    with_bars: list[RunPart]


def build_report(records: Sequence[RunRecord], frame: pd.DataFrame) -> Report:
    """Build every part. The model of each finished run is evaluated on its validation images where they can be read."""
    answers = [_evaluate(record) for record in records]
    shared, lacking = shared_metrics(records)
    # Of many runs, the labels of those that stand highest on the leaderboard.
    bars_of = sorted([n for n in leaderboard.ranked(records) if answers[n][0]][: label_figures.MAX_RUNS])
    parts = [_run_part(records, number, *answer) for number, answer in enumerate(answers)]
    return Report(
        runs=parts,
        leaderboard=leaderboard.leaderboard(records, frame),
        seeds=leaderboard.over_seeds(records, frame),
        overfitting=leaderboard.overfitting(records),
        shared=[title(metric) for metric in shared],
        lacking={title(metric): names for metric, names in lacking.items()},
        curves=[*curves.metric_curves(records), curves.learning_rate(records)],
        conflicts=conflict_figures.conflicts(records),
        weights=weight_figures.task_weights(records),
        balanced=[part for part in parts if part.record.conflicts or any(e.task_weights for e in part.record.epochs)],
        bars=_bars(parts, bars_of),
        with_bars=[parts[number] for number in bars_of],
    )


def _evaluate(record: RunRecord) -> tuple[Validation | None, list[str]]:
    """Figures of the model on validation, and what keeps them from being shown or believed."""
    if not (record.folder / "model").is_dir():
        return None, [f"There is no finished model to look into; the run's state is: {record.state}."]
    try:
        found = validation.evaluate_run(record)
    except UserError as error:
        more = len(error.problems) - _MAX_PROBLEMS
        rest = [f"... and {more} more"] if more > 0 else []
        return None, ["The model was not evaluated on its validation images:", *error.problems[:_MAX_PROBLEMS], *rest]
    return found, _differences_from_log(record, found)


def _differences_from_log(record: RunRecord, found: Validation) -> list[str]:
    computed = {name: value for task in found.tasks for name, value in task.metrics.items()}
    messages = []
    for metric in record.primary_metrics:
        now, then = computed.get(metric), record.values("validation", metric).get(record.best_epoch or 0)
        if now is not None and then is not None and not math.isclose(now, then, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            messages.append(f"{title(metric)} is {now:.6f} as computed here, and was {then:.6f} in the run")
    return ["Data or machine are not those of the run:", *messages] if messages else []


def _run_part(records: Sequence[RunRecord], number: int, found: Validation | None, problems: list[str]) -> RunPart:
    record, before = records[number], records[number - 1] if number else None
    tasks = []
    for task in found.tasks if found else []:
        matrix = label_figures.confusion_matrix(task.name, record.name, task.confusion) if task.confusion else None
        tasks.append(TaskPart(task, matrix, label_table(task, record.end.fitted)))
    return RunPart(
        record=record,
        mark=mark(number),
        before=before.name if before else None,
        changes=_config_changes(before, record) if before else changes.main_knobs(record.config),
        manner_changes=_manner_changes(before, record) if before else [],
        images=found.images if found else 0,
        tasks=tasks,
        problems=problems,
    )


def _config_changes(before: RunRecord, record: RunRecord) -> list[str]:
    return changes.config_changes(*changes.comparable_configs(before, record))


def _manner_changes(before: RunRecord, record: RunRecord) -> list[str]:
    knobs = changes.manner_changes(*changes.comparable_configs(before, record))
    return [*knobs, *changes.environment_changes(before.environment, record.environment)]


def _bars(parts: Sequence[RunPart], shown: Sequence[int]) -> list[Drawing]:
    """One figure of the labels' F1 for each task, of the runs with these places."""
    by_task: dict[str, dict[int, TaskFigures]] = {}
    for number in shown:
        for task in parts[number].tasks:
            if task.figures.labels:
                by_task.setdefault(task.figures.name, {})[number] = task.figures
    names = [part.record.name for part in parts]
    return [label_figures.label_bars(task, runs, names) for task, runs in by_task.items()]
