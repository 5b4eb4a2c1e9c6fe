"""All that a report shows, put together from the runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ..core.errors import UserError
from ..runs import curves
from .elements import palette
from .elements.svg import Drawing
from .elements.tables import Table
from .records import changes, validation
from .records.runs import RunRecord, shared_metrics
from .records.validation import TaskFigures, Validation
from .sections import conflict_figures, figures, label_figures, leaderboard, weight_figures
from .sections.conflict_figures import Conflicts
from .sections.figures import Panel
from .sections.label_tables import label_table
from .sections.weight_figures import TaskWeights

_SAME = 1e-6  # a metric that is computed anew on the same machine is the same; on another the last digits differ
_SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class TaskPart:
    """One task of one run: its figures, drawn and in a table."""

    figures: TaskFigures
    confusion: Drawing | None
    confusion_caption: str
    table: Table | None


@dataclass(frozen=True)
class RunPart:
    """One run. `differences` are from the run `before`, or say what the run is where there is none; `ran`: how, and on
    what, where that is different.
    """

    record: RunRecord
    mark: palette.Mark
    before: str | None
    differences: list[str]
    ran: list[str]
    images: int
    tasks: list[TaskPart]
    problems: list[str]


@dataclass(frozen=True)
class Report:
    """Every part of the page.

    Attributes:
        shared: the primary metrics that all runs have; `lacking`: the others, each with the runs that lack it.
        conflicts, weights: of the runs that measured, or changed, them; None where none did.
        bars_of: the places of the runs whose labels are drawn.
    """

    runs: list[RunPart]
    leaderboard: Table
    seeds: Table | None
    overfitting: Table
    shared: list[str]
    lacking: Mapping[str, list[str]]
    curves: list[Panel]
    learning_rate: Drawing
    conflicts: Conflicts | None
    weights: TaskWeights | None
    bars: list[Drawing]
    bars_of: list[int]


def build(records: Sequence[RunRecord], frame: pd.DataFrame) -> Report:
    """Everything, also what the models say of their validation images where that is to be had."""
    found = [_look_into(record) for record in records]
    shared, lacking = shared_metrics(records)
    drawn = _highest(records, found)
    return Report(
        runs=[_run_part(records, number, *found[number]) for number in range(len(records))],
        leaderboard=leaderboard.leaderboard(records, frame),
        seeds=leaderboard.over_seeds(records, frame),
        overfitting=leaderboard.overfitting(records),
        shared=[curves.title(metric) for metric in shared],
        lacking={curves.title(metric): names for metric, names in lacking.items()},
        curves=figures.metric_panels(records),
        learning_rate=figures.learning_rate(records),
        conflicts=conflict_figures.conflicts(records),
        weights=weight_figures.task_weights(records),
        bars=_bars(records, {number: answer for number in drawn if (answer := found[number][0])}),
        bars_of=drawn,
    )


def _look_into(record: RunRecord) -> tuple[Validation | None, list[str]]:
    """What the model says of validation, and what keeps it from being shown or believed."""
    if not (record.folder / "model").is_dir():
        return None, [f"There is no finished model to look into; the run's state is: {record.state}."]
    try:
        found = validation.of(record)
    except UserError as error:
        more = len(error.problems) - _SHOWN_PROBLEMS
        rest = [f"... and {more} more"] if more > 0 else []
        return None, ["The model was not asked about its validation images:", *error.problems[:_SHOWN_PROBLEMS], *rest]
    return found, _differs_from_log(record, found)


def _differs_from_log(record: RunRecord, found: Validation) -> list[str]:
    logged = next((row.validation or {} for row in record.epochs if row.epoch == record.best_epoch), {})
    computed = {name: value for task in found.tasks for name, value in task.metrics.items()}
    messages = []
    for metric in record.primary_metrics:
        now, then = computed.get(metric), logged.get(metric)
        if now is not None and then is not None and not math.isclose(now, then, rel_tol=_SAME, abs_tol=_SAME):
            messages.append(f"{curves.title(metric)} is {now:.6f} as computed here, and was {then:.6f} in the run")
    return ["Data or machine are not those of the run:", *messages] if messages else []


def _run_part(records: Sequence[RunRecord], number: int, found: Validation | None, problems: list[str]) -> RunPart:
    record, before = records[number], records[number - 1] if number else None
    fitted = record.end.fitted
    parts = [
        TaskPart(task, *_matrix(task, record, f"confusion-{number}-{place}"), label_table(task, fitted))
        for place, task in enumerate(found.tasks if found else [])
    ]
    return RunPart(
        record=record,
        mark=palette.mark(number),
        before=before.name if before else None,
        differences=changes.changes(before.config, record.config) if before else changes.in_short(record.config),
        ran=_ran(before, record) if before else [],
        images=found.images if found else 0,
        tasks=parts,
        problems=problems,
    )


def _ran(before: RunRecord, record: RunRecord) -> list[str]:
    manners = changes.manner_changes(before.config, record.config)
    return [*manners, *changes.environment_changes(before.environment, record.environment)]


def _matrix(task: TaskFigures, record: RunRecord, key: str) -> tuple[Drawing | None, str]:
    confusion = task.confusion
    if confusion is None:
        return None, ""
    most = ", ".join(f"{true} taken for {taken} ({count})" for true, taken, count in confusion.most[:3])
    caption = f"Most often: {most}." if most else "No image is in a wrong class."
    if confusion.left_out:
        caption += f" {confusion.left_out} classes with fewer mistakes are left out."
    return label_figures.confusion_matrix(task.name, record.name, confusion, key), caption


def _highest(records: Sequence[RunRecord], found: Sequence[tuple[Validation | None, list[str]]]) -> list[int]:
    """The runs whose labels are drawn beside one another: of many those that stand highest on the leaderboard."""
    answered = [number for number, (answer, _) in enumerate(found) if answer]
    ranked = sorted(answered, key=lambda number: leaderboard.order(records[number]))
    return sorted(ranked[: label_figures.MOST_RUNS])


def _bars(records: Sequence[RunRecord], answers: Mapping[int, Validation]) -> list[Drawing]:
    """One figure a task."""
    by_task: dict[str, dict[int, TaskFigures]] = {}
    for number, answer in answers.items():
        for task in answer.tasks:
            if task.labels:
                by_task.setdefault(task.name, {})[number] = task
    names = [record.name for record in records]
    return [
        label_figures.label_bars(task, runs, names, f"labels-{place}")
        for place, (task, runs) in enumerate(by_task.items())
    ]
