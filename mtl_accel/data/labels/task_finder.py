"""From configured tasks to tasks of the training table: their columns, classes, delimiters and what cells mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import datasets

from ...config.sections.tasks import MultilabelConfig, RegressionConfig, TaskConfig, primary_metric
from ...core.tasks import Scale, Task
from .cells import (
    DELIMITERS,
    MISSING,
    binary_value,
    is_missing,
    label_names,
    mapped,
    split_labels,
    whole_number,
)
from .columns import format_columns, read_column, zero_one_columns

_MAX_SHOWN = 5  # columns named for one problem


def _is_whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def sort_class_names(names: set[str]) -> tuple[str, ...]:
    """Sort numbers by value and text by code point, so that the order of the rows does not matter."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


class TaskFinder:
    """Finds the columns and classes of tasks in the training table.

    Adds to `problems` what is wrong, and to `notes` what was inferred.
    """

    def __init__(
        self, table: datasets.Dataset, reserved: Collection[str], problems: list[str], notes: list[str]
    ) -> None:
        self.table, self.reserved, self.problems, self.notes = table, reserved, problems, notes
        self._names = frozenset(table.column_names)
        self._distinct: dict[str, set[Any]] = {}  # by column

    def _distinct_cells(self, name: str) -> set[Any]:
        """Distinct cells of a training column, which is read once."""
        if name not in self._distinct:
            self._distinct[name] = {v for cells in read_column(self.table, name) for v in cells.values}
        return self._distinct[name]

    def find_tasks(self, configs: Mapping[str, TaskConfig]) -> dict[str, Task]:
        """Find the columns and classes of the tasks. A task whose columns are absent is a problem, and left out."""
        taken = set(self.reserved)
        for config in configs.values():
            taken |= {c for c in (getattr(config, "column", None), *(getattr(config, "columns", None) or ())) if c}
        tasks = {name: self._find_task(name, config, taken) for name, config in configs.items()}
        return {name: task for name, task in tasks.items() if task is not None}

    def _find_task(self, name: str, config: TaskConfig, taken: set[str]) -> Task | None:
        columns: tuple[str, ...]
        if isinstance(config, RegressionConfig):
            columns = config.columns
        elif config.column is not None:
            columns = (config.column,)
        else:
            assert isinstance(config, MultilabelConfig)
            columns = config.columns if config.columns is not None else self._zero_one_columns(name, taken)
            if config.columns == ():
                self.problems.append(f"tasks.{name}.columns: the list is empty; name the columns, or give null")
        absent = [column for column in columns if column not in self._names]
        if absent or not columns:
            if absent:
                present = ", ".join(c for c in self.table.column_names if c not in self.reserved)
                self.problems.append(f"tasks.{name}: the training table has no column {absent}; it has: {present}")
            return None
        task = Task(
            name, config.kind, columns, columns, primary_metric(config), config.weight, values=dict(config.values)
        )
        if isinstance(config, RegressionConfig) and config.standardise:
            return replace(task, scale=Scale.unit(len(columns), log1p=config.log1p))
        if config.kind == "multiclass":
            return replace(task, classes=config.classes or self._find_classes(task))
        if isinstance(config, MultilabelConfig) and config.column is not None:
            task = replace(task, delimiter=config.delimiter or self._find_delimiter(task))
            names = {label for cell in self._distinct_cells(config.column) for label in label_names(cell, task) or ()}
            return replace(task, classes=config.classes or sort_class_names(names))
        return replace(task, values=self._find_minus_one(task)) if config.kind == "multilabel" else task

    def _find_classes(self, task: Task) -> tuple[str, ...]:
        """The classes of a column, where "1.0" is the class "1" of a column of numbers."""
        found = {mapped(value, task.values) for value in self._distinct_cells(task.columns[0])} - {MISSING}
        names = {str(name) for name in found}
        whole = {whole_number(name) for name in names}
        return sort_class_names(whole if all(_is_whole(name) for name in whole) else names)

    def _find_delimiter(self, task: Task) -> str:
        """The delimiter that stands in the cells of training; a space where none of the others does."""
        texts = [
            cell for cell in self._distinct_cells(task.columns[0]) if isinstance(cell, str) and not cell.startswith("[")
        ]
        found = [delimiter for delimiter in DELIMITERS if any(delimiter in text for text in texts)]
        if len(found) > 1:
            cell = next((text for text in texts if all(delimiter in text for delimiter in found)), texts[0])
            readings = " or ".join(f"{split_labels(cell, delimiter)}, by {delimiter!r}" for delimiter in found)
            self.problems.append(
                f"tasks.{task.name}.delimiter: {cell!r} of column {task.columns[0]!r} may be {readings}; name the one "
                "that holds"
            )
        delimiter = found[0] if found else " "
        if any(delimiter in text for text in texts):
            self.notes.append(f"{task.name}: names in column {task.columns[0]} are separated by {delimiter!r}")
        return delimiter

    def _find_minus_one(self, task: Task) -> Mapping[str, str | int | float | None]:
        """`values` of a task of 0/1 columns, with -1 as 0 where no cell of them is 0."""
        cells = {cell for column in task.columns for cell in self._distinct_cells(column) if isinstance(cell, str)}
        numbers = {binary_value(cell) for cell in cells if mapped(cell, task.values) is cell and not is_missing(cell)}
        if -1 not in numbers:
            return task.values
        columns = ", ".join(task.columns[:_MAX_SHOWN]) + (" ..." if len(task.columns) > _MAX_SHOWN else "")
        if 0 in numbers:
            self.problems.append(
                f"tasks.{task.name}: {columns} hold -1, 0 and 1; -1 may be a no, as in CelebA, or uncertain, as in "
                f'CheXpert. Add to the task "values": {{"-1": 0}} for no, or "values": {{"-1": null}} for no label'
            )
            return {**task.values, "-1": None}
        self.notes.append(f"{task.name}: -1 is read as 0, since no cell of {columns} is 0")
        return {**task.values, "-1": 0}

    def _zero_one_columns(self, name: str, taken: set[str]) -> tuple[str, ...]:
        left = [column for column in self.table.column_names if column not in taken]
        labels, left_out = zero_one_columns("train", self.table, left)
        if labels:
            others = f"; not {format_columns(left_out)}" if left_out else ""
            self.notes.append(f"{name}: labels {', '.join(labels)}{others}")
        else:
            self.problems.append(
                f"tasks.{name}.columns: none of the columns left over ({format_columns(left_out) or 'there is none'}) "
                "holds only 0, 1 or blanks; correct the cells, or name the columns"
            )
        self._distinct |= labels
        return tuple(labels)
