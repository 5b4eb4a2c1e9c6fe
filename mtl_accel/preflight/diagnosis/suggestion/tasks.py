"""The section `tasks` of a suggested config, from what the columns probably are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ....core.errors import MAX_LISTED
from ....data.labels.cells import split_labels
from .columns import Column

_LABELS = "labels"  # name of the task of all 0/1 columns
_IMBALANCE = 10.0  # rows of the largest class for each of the smallest, from which on classes are weighted
_MAX_CLASS_WEIGHT = 20.0
_RARE_LABEL = 0.1  # share of the rows
_RARE_LOSS: Mapping[str, Any] = MappingProxyType({"loss": {"name": "bce", "pos_weight": "balanced"}})


def valid_name(text: str) -> str:
    """A text as the name of a task or a folder."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")


def suggest_tasks(columns: Sequence[Column]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The section `tasks`, and a line for each task."""
    tasks: dict[str, dict[str, Any]] = {}
    notes = []
    labels = [column for column in columns if column.role == "label"]
    for column in columns:
        task = _TASKS[column.role](column) if column.role in _TASKS else None
        if task is not None:
            name = _new_name(column.name, tasks)
            tasks[name] = task
            notes.append(f"task {name}: {task['kind']}, by column {column.name!r}: {column.reason}{_weighted(task)}")
    if labels:
        name = _new_name(_LABELS, tasks)
        tasks[name] = _labels_task(labels)
        names = ", ".join(column.name for column in labels[:MAX_LISTED]) + (", ..." if len(labels) > MAX_LISTED else "")
        reasons = [f"; {column.name} {column.reason}" for column in labels if column.options]
        notes.append(
            f"task {name}: multilabel, {len(labels)} columns of yes and no ({names}){''.join(reasons)}"
            f"{_weighted(tasks[name])}"
        )
    return tasks, notes


def _new_name(wanted: str, taken: Mapping[str, Any]) -> str:
    name = valid_name(wanted) or "task"
    others = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return next(candidate for candidate in (name, *others) if candidate not in taken)


def _classes_task(column: Column) -> dict[str, Any]:
    task: dict[str, Any] = {"kind": "multiclass", "column": column.name}
    most, least = max(column.counts.values()), min(column.counts.values())
    weight = sum(column.counts.values()) / len(column.counts) / least
    if most >= _IMBALANCE * least and weight <= _MAX_CLASS_WEIGHT:
        task["loss"] = {"name": "cross_entropy", "class_weights": "balanced"}
    return task


def _list_task(column: Column) -> dict[str, Any]:
    rows: Counter[str] = Counter()
    for cell, count in column.counts.items():
        rows.update(dict.fromkeys(split_labels(cell, column.options.get("delimiter", " ")) or (), count))
    is_rare = min(rows.values()) < _RARE_LABEL * sum(column.counts.values())
    return {"kind": "multilabel", "column": column.name, **column.options, **(_RARE_LOSS if is_rare else {})}


def _numbers_task(column: Column) -> dict[str, Any]:
    return {"kind": "regression", "columns": [column.name], "standardise": True, **column.options}


_TASKS = {"classes": _classes_task, "list": _list_task, "numbers": _numbers_task}


def _labels_task(labels: Sequence[Column]) -> dict[str, Any]:
    task: dict[str, Any] = {"kind": "multilabel", "columns": [column.name for column in labels]}
    for column in labels:
        task |= column.options
    if any(column.positive_rate < _RARE_LABEL for column in labels):
        task |= _RARE_LOSS
    return task


def _weighted(task: Mapping[str, Any]) -> str:
    """What the loss says about rare classes or labels, for the line of a task."""
    if "class_weights" in task.get("loss", {}):
        return f"; the largest class has {_IMBALANCE:g} times the rows of the smallest or more, so classes are weighted"
    if "pos_weight" in task.get("loss", {}):
        return f"; some labels are yes in fewer than {_RARE_LABEL:.0%} of the rows, so their positives count more"
    return ""
