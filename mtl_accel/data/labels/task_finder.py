"""From configured tasks to tasks of the training table: their columns, classes, delimiters and what cells mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import datasets

from ...config.knobs import did_you_mean
from ...config.sections.tasks import (
    Classes,
    MultilabelConfig,
    OrdinalConfig,
    RegressionConfig,
    TaskConfig,
    added_metrics,
    named_columns,
    names_by_index,
    primary_metric,
)
from ...core.tasks import Scale, Task
from .cells import (
    DELIMITERS,
    MISSING,
    binary_value,
    is_list,
    is_missing,
    is_whole,
    label_names,
    mapped,
    parse_number,
    sort_class_names,
    split_labels,
    whole_number,
)
from .class_names import doubt_classes, names_by_place
from .columns import format_columns, read_column, zero_one_columns

_MAX_SHOWN = 5  # columns named for one problem


class TaskFinder:
    """Finds the columns and classes of tasks in the training table.

    Adds to `problems` what is wrong, to `notes` what was inferred, and to `inferred` the same as values of knobs.
    """

    def __init__(
        self, table: datasets.Dataset, reserved: Collection[str], problems: list[str], notes: list[str]
    ) -> None:
        self.table, self.reserved, self.problems, self.notes = table, reserved, problems, notes
        self.inferred: dict[str, Any] = {}
        self._names = frozenset(table.column_names)
        self._distinct: dict[str, set[Any]] = {}  # by column

    def find_tasks(self, configs: Mapping[str, TaskConfig]) -> dict[str, Task]:
        """Find the columns and classes of the tasks. A task whose columns are absent is a problem, and left out."""
        taken = set(self.reserved).union(*(named_columns(config) for config in configs.values()))
        taken |= {
            c.confidence for c in configs.values() if isinstance(c, MultilabelConfig) and c.confidence is not None
        }
        tasks = {name: self._find_task(name, config, taken) for name, config in configs.items()}
        return {name: task for name, task in tasks.items() if task is not None}

    def _find_task(self, name: str, config: TaskConfig, taken: set[str]) -> Task | None:
        columns = named_columns(config)
        if isinstance(config, MultilabelConfig) and config.column is None:
            if config.columns is None:
                columns = self._zero_one_columns(name, config, taken)
            elif not columns:
                self.problems.append(f"tasks.{name}.columns: the list is empty; name the columns, or give null")
        confidence = config.confidence if isinstance(config, MultilabelConfig) else None
        needed = columns if confidence is None else (*columns, confidence)
        absent = [column for column in needed if column not in self._names]
        if absent or not columns:
            if absent:
                there = [c for c in self.table.column_names if c not in self.reserved]
                hint = "".join(did_you_mean(column, there) for column in absent)
                has = f"{', '.join(there)}{hint}"
                self.problems.append(f"tasks.{name}: the training table has no column {absent}; it has: {has}")
            return None
        task = Task(
            *(name, config.kind, columns, columns, primary_metric(config), config.weight),
            values=dict(config.values),
            metrics=added_metrics(config),
        )
        if isinstance(config, RegressionConfig):
            return replace(task, scale=Scale.unit(len(columns), log1p=config.log1p)) if config.standardise else task
        task = replace(task, one_column=config.column is not None)
        if not task.is_one_column:
            return replace(task, values=self._find_minus_one(task))
        if isinstance(config, OrdinalConfig):
            return self._with_order(replace(task, link=config.loss.link), config.classes)
        if isinstance(config, MultilabelConfig):
            task = replace(task, confidence=confidence, absent_is_no=config.absent == "no")
            task = replace(task, delimiter=config.delimiter or self._find_delimiter(task))
        return self._with_classes(task, config.classes)

    def _with_classes(self, task: Task, given: Classes) -> Task:
        """Give a task with one column its classes: those of the config, or else those of the cells."""
        assert not isinstance(given, str), "a file of classes is read with the config"
        if task.is_single_label:
            self._check_no_lists(task)
        if isinstance(given, tuple) and task.is_single_label:
            given = self._by_place(task, given)
        if isinstance(given, dict):  # cells may hold the indexes
            names = names_by_index(given)
            return replace(task, classes=tuple(names.values()), values={**names, **task.values})
        finders = {"multiclass": self._find_classes, "ordinal": self._find_ordered_classes}
        return replace(task, classes=given or finders.get(task.kind, self._find_labels)(task))

    def _by_place(self, task: Task, given: tuple[str, ...]) -> tuple[str, ...] | dict[str, str]:
        """The listed names, or names by index where the cells are their places in the list."""
        places = names_by_place(given, self._class_cells(task))
        if places is None:
            return given
        first, last = next(iter(places)), list(places)[-1]
        self.notes.append(f"{task.name}: the cells {first} to {last} are the places of the classes in their list")
        self.inferred[f"tasks.{task.name}.classes"] = places
        return places

    def _with_order(self, task: Task, given: Classes) -> Task:
        task = self._with_classes(task, given)
        if len(task.classes) < 2:
            self.problems.append(
                f"tasks.{task.name}.classes: an order needs two classes at least, and here it has "
                f"{', '.join(task.classes) or 'none'}; name those that the data lack"
            )
        return task

    def _cells(self, task: Task, column: str) -> set[Any]:
        """Distinct cells of a training column, with "" for blanks if `values` of the task says what they mean."""
        if column not in self._distinct:
            self._distinct[column] = {v for cells in read_column(self.table, column) for v in cells.values}
        return self._distinct[column] | {""} if "" in task.values else self._distinct[column]

    def _find_labels(self, task: Task) -> tuple[str, ...]:
        columns = [*task.columns, *(() if task.confidence is None else (task.confidence,))]
        cells = (cell for column in columns for cell in self._cells(task, column))
        return sort_class_names({label for cell in cells for label in label_names(cell, task) or ()})

    def _find_classes(self, task: Task) -> tuple[str, ...]:
        """The classes of a column, where "1.0" is the class "1" of a column of numbers."""
        names = self._class_cells(task)
        whole = {whole_number(name) for name in names}
        classes = sort_class_names(whole if all(is_whole(name) for name in whole) else names)
        problem, note = doubt_classes(self.table, task, classes)
        self.problems += [problem] if problem else []
        self.notes += [note] if note else []
        return classes

    def _check_no_lists(self, task: Task) -> None:
        lists = [cell for cell in self._cells(task, task.columns[0]) if is_list(cell)]
        if lists:
            shown = repr(list(lists[0]) if isinstance(lists[0], tuple) else lists[0])
            self.problems.append(
                f"tasks.{task.name}.column: {task.columns[0]!r} holds lists, such as {shown}, and kind {task.kind} "
                "reads one class from a cell; choose kind multilabel, or a column of classes"
            )

    def _class_cells(self, task: Task) -> set[str]:
        """Distinct cells of a column of classes, as `values` of the task name them."""
        cells = (cell for cell in self._cells(task, task.columns[0]) if isinstance(cell, str))
        return {str(name) for name in (mapped(cell, task.values) for cell in cells) if name is not MISSING}

    def _find_ordered_classes(self, task: Task) -> tuple[str, ...]:
        """The numbers of a column, by their value. Text has no order that could be found."""
        cells = {whole_number(cell) for cell in self._class_cells(task) if not is_missing(cell)}
        numbers = {cell: number for cell in sorted(cells) if (number := parse_number(cell)) is not None}
        classes = tuple(sorted(numbers, key=lambda cell: numbers[cell]))
        texts, place = sorted(cells - numbers.keys()), f"tasks.{task.name}.classes: column {task.columns[0]!r}"
        if texts:
            shown = ", ".join(map(repr, texts[:_MAX_SHOWN])) + (" ..." if len(texts) > _MAX_SHOWN else "")
            self.problems.append(
                f"{place} holds {shown}, which is no number and has no order; name the classes from the lowest to the "
                'highest, such as "classes": ["S", "M", "L"]'
            )
            return tuple(sorted(cells))  # so that the cells are not reported one by one, too
        if len(set(numbers.values())) < len(numbers):
            self.problems.append(f"{place} spells a number in two ways: {', '.join(classes)}; name the classes")
        else:
            self.notes.append(f"{task.name}: the order of the classes is {' < '.join(classes)}")
        return classes

    def _find_delimiter(self, task: Task) -> str:
        """The delimiter that stands in the cells of training; a space where none of the others does."""
        texts = [
            cell
            for cell in self._cells(task, task.columns[0])
            if isinstance(cell, str) and not cell.startswith(("[", "{")) and not is_list(cell)
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
            self.inferred[f"tasks.{task.name}.delimiter"] = delimiter
        return delimiter

    def _find_minus_one(self, task: Task) -> Mapping[str, str | int | float | None]:
        """`values` of a task of 0/1 columns, with -1 as 0 where no cell of them is 0."""
        cells = {cell for column in task.columns for cell in self._cells(task, column) if isinstance(cell, str)}
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
        self.inferred[f"tasks.{task.name}.values"] = {**task.values, "-1": 0}
        return {**task.values, "-1": 0}

    def _zero_one_columns(self, name: str, config: MultilabelConfig, taken: set[str]) -> tuple[str, ...]:
        left = [column for column in self.table.column_names if column not in taken]
        labels, left_out = zero_one_columns("train", self.table, left, config.values)
        if labels:
            others = f"; not {format_columns(left_out)}" if left_out else ""
            self.notes.append(f"{name}: labels {', '.join(labels)}{others}")
            self.inferred[f"tasks.{name}.columns"] = list(labels)
        else:
            self.problems.append(
                f"tasks.{name}.columns: none of the columns left over ({format_columns(left_out) or 'there is none'}) "
                'holds only 0, 1 or blanks; correct the cells, name the columns, or say by "values" what cells mean'
            )
        self._distinct |= labels
        return tuple(labels)
