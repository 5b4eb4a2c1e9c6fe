"""From the columns of a table to tasks and their targets: finds the classes, and checks every cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import datasets
import numpy as np

from ...config.sections.tasks import MultilabelConfig, RegressionConfig, TaskConfig, primary_metric
from ...core.tasks import Scale, Task
from ..sources.splits import RawSplit
from .cells import (
    DELIMITERS,
    MISSING,
    binary_value,
    is_missing,
    label_names,
    mapped,
    parser_of,
    split_labels,
    whole_number,
)
from .columns import Cells, format_columns, read_column, zero_one_columns

_MAX_SHOWN = 5  # rows named for one problem
_ORDER = ("train", "validation", "test")


class Targets(NamedTuple):
    """A task's labels of one split.

    target: int64 [N] (multiclass), float32 [N, C] of 0 and 1 (multilabel) or of values (regression).
    mask: bool [N] or [N, C]; false where there is no label, and the target there is 0.
    """

    target: np.ndarray
    mask: np.ndarray

    def select(self, rows: np.ndarray) -> Targets:
        """Targets of some rows: int64 [M] of their numbers."""
        return Targets(self.target[rows], self.mask[rows])


def _is_whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def sort_class_names(names: set[str]) -> tuple[str, ...]:
    """Sort numbers by value and text by code point, so that the order of the rows does not matter."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


class LabelReader:
    """Finds each task's columns and classes in the splits, and turns the columns into targets.

    Messages name a row by its line, where `origins` knows one, and by the splits' column `id`.

    Args:
        reserved: columns that no task may find for itself.
        origins: of each split, where its rows come from.

    Attributes:
        problems: everything that was found to be wrong so far.
        notes: lines for the log: which columns were taken as labels where the config names none.
    """

    def __init__(
        self, splits: Mapping[str, datasets.Dataset], reserved: set[str], origins: Mapping[str, RawSplit] | None = None
    ) -> None:
        self.splits = {name: splits[name] for name in _ORDER if name in splits}
        self._names = {name: frozenset(table.column_names) for name, table in self.splits.items()}
        self.reserved, self.origins = reserved, origins or {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self._distinct: dict[str, set[Any]] = {}  # by column of training
        self._missing: dict[str, Counter[str]] = {}  # by task: words that stand for a missing label, such as "NA"

    def describe_missing(self) -> list[str]:
        """Name the words that were read as a missing label, with the number of cells; a line for each task."""
        return [
            f"{task}: read as missing: {', '.join(f'{word} ({count} cells)' for word, count in counts.items())}"
            for task, counts in self._missing.items()
        ]

    def _count_missing(self, task: Task, cells: Cells, blank: np.ndarray) -> None:
        counts = np.bincount(cells.codes[cells.codes >= 0], minlength=len(cells.values))
        for code in np.flatnonzero(blank[:-1]):
            self._missing.setdefault(task.name, Counter())[cells.values[code]] += int(counts[code])

    def _distinct_cells(self, name: str) -> set[Any]:
        """Distinct cells of a training column, which is read once."""
        if name not in self._distinct:
            self._distinct[name] = {v for cells in read_column(self.splits["train"], name) for v in cells.values}
        return self._distinct[name]

    def has(self, split: str, name: str) -> bool:
        """Whether a split has a column."""
        return name in self._names[split]

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
        absent = [column for column in columns if not self.has("train", column)]
        if absent or not columns:
            if absent:
                present = ", ".join(c for c in self.splits["train"].column_names if c not in self.reserved)
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
        left = [column for column in self.splits["train"].column_names if column not in taken]
        labels, left_out = zero_one_columns("train", self.splits["train"], left)
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

    def read_targets(self, task: Task, split: str) -> Targets:
        """Read the targets of a task in a split, all masked where the split has no labels. Adds to `problems`."""
        size = len(self.splits[split])
        shape = (size,) if task.kind == "multiclass" else (size, task.num_outputs)
        target = np.zeros(shape, dtype=np.int64 if task.kind == "multiclass" else np.float32)
        mask = np.zeros(shape, dtype=bool)
        for index, name in enumerate(task.columns):
            if self.has(split, name):
                outputs = ... if task.is_one_column else (slice(None), index)
                self._fill(task, split, name, target[outputs], mask[outputs])
        return Targets(target, mask)

    def _fill(self, task: Task, split: str, name: str, target: np.ndarray, mask: np.ndarray) -> None:
        """Write a column's values into target and mask, and report the cells that break the rule."""
        parse, rule = parser_of(task)
        bad: list[tuple[int, Any]] = []
        for cells in read_column(self.splits[split], name):
            parsed = [parse(value) for value in cells.values]
            # The last one, at -1, is for blanks.
            blank = np.array([*(value is MISSING for value in parsed), True])
            known = np.array([*(value is not None for value in parsed), False]) & ~blank
            lookup = np.zeros((len(known), *target.shape[1:]), target.dtype)
            for code in np.flatnonzero(known):
                lookup[code] = parsed[code]
            target[cells.rows] = lookup[cells.codes]
            mask[cells.rows] = known[cells.codes].reshape(-1, *(1,) * (mask.ndim - 1))
            wrong = np.flatnonzero(~known[cells.codes] & ~blank[cells.codes])
            self._count_missing(task, cells, blank)
            bad += [(cells.rows.start + place, cells.values[cells.codes[place]]) for place in wrong]
        if bad:
            place, rows = self._describe_rows(split, [row for row, _ in bad[:_MAX_SHOWN]])
            shown = ", ".join(f"{row}: {value!r}" for row, (_, value) in zip(rows, bad, strict=False))
            more = f", and {len(bad) - _MAX_SHOWN} more rows" if len(bad) > _MAX_SHOWN else ""
            self.problems.append(f"{place}, column {name!r}: a cell {rule}; found {shown}{more}")

    def _describe_rows(self, split: str, rows: list[int]) -> tuple[str, list[str]]:
        """The text file and the lines of some rows, or the split and their ids."""
        ids = self.splits[split].select(rows)["id"]
        origin = self.origins.get(split)
        if origin is None or origin.lines is None:
            return split, [f"id {value}" for value in ids]
        # A blank id is a problem of its own.
        named = [f" (id {value})" if value else "" for value in ids]
        return origin.origin, [f"line {line}{name}" for line, name in zip(origin.lines_of(rows), named, strict=True)]
