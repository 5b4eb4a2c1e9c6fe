"""From the columns of a table to tasks and their targets: classes are found, every cell is checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..config.sections import MultilabelConfig, RegressionConfig, TaskConfig, primary_metric
from ..errors import UserError
from ..tasks import Task

_SHOWN = 5  # samples named for one problem
_ZERO_ONE = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1, "false": 0, "true": 1}
_ORDER = ("train", "validation", "test")


class Targets(NamedTuple):
    """A task's labels of one split.

    target: int64 [N] (multiclass), float32 [N, C] of 0 and 1 (multilabel) or of values (regression).
    mask: bool [N] or [N, C]; false where there is no label, and the target there is 0.
    """

    target: np.ndarray
    mask: np.ndarray


@dataclass(frozen=True)
class Column:
    """One column of a split: its distinct values as text, and which of them each row holds (-1: blank)."""

    values: list[Any]
    codes: np.ndarray

    def rows_of(self, wanted: Callable[[Any], bool]) -> np.ndarray:
        bad = [code for code, value in enumerate(self.values) if wanted(value)]
        return np.flatnonzero(np.isin(self.codes, bad))


def text_of(value: Any) -> str | None:
    """A cell as text: None for a blank, "3" for the 3.0 that an integer column with blanks turns into."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def read_column(split: datasets.Dataset, name: str) -> Column:
    """Read a column once, by its distinct values. Lists become tuples of text."""
    array = split.select_columns([name]).with_format("arrow")[:].column(0).combine_chunks()
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        cells = [None if cell is None else tuple(text_of(v) for v in cell) for cell in array.to_pylist()]
        distinct: list[Any] = list(dict.fromkeys(cell for cell in cells if cell is not None))
        code = {cell: index for index, cell in enumerate(distinct)}
        return Column(distinct, np.array([-1 if cell is None else code[cell] for cell in cells], dtype=np.int64))
    encoded = pc.dictionary_encode(array)
    texts = [text_of(value) for value in encoded.dictionary.to_pylist()]
    distinct = list(dict.fromkeys(text for text in texts if text is not None))
    code = {text: index for index, text in enumerate(distinct)}
    lookup = np.array([*(-1 if text is None else code[text] for text in texts), -1], dtype=np.int64)
    indices = encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    return Column(distinct, lookup[indices])


def sorted_names(names: set[str]) -> tuple[str, ...]:
    """Class names in order: numbers by value, text by code point. Never by appearance."""
    if all(name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


class LabelReader:
    """Finds each task's columns and classes in the splits, and turns the columns into targets.

    The splits have a column `id`, by which messages name a row.
    """

    def __init__(self, splits: Mapping[str, datasets.Dataset], reserved: set[str]) -> None:
        self.splits = {name: splits[name] for name in _ORDER if name in splits}
        self.reserved = reserved
        self.problems: list[str] = []
        self._columns: dict[tuple[str, str], Column] = {}

    def column(self, split: str, name: str) -> Column:
        if (split, name) not in self._columns:
            self._columns[split, name] = read_column(self.splits[split], name)
        return self._columns[split, name]

    def has(self, split: str, name: str) -> bool:
        return name in self.splits[split].column_names

    def tasks(self, configs: Mapping[str, TaskConfig]) -> dict[str, Task]:
        """Every task with its columns and classes. Raises UserError with all that the table lacks."""
        taken = set(self.reserved)
        for config in configs.values():
            taken |= {c for c in (getattr(config, "column", None), *(getattr(config, "columns", None) or ())) if c}
        found = {name: self._task(name, config, taken) for name, config in configs.items()}
        if self.problems:
            raise UserError(self.problems)
        return {name: task for name, task in found.items() if task is not None}

    def _task(self, name: str, config: TaskConfig, taken: set[str]) -> Task | None:
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
        task = Task(name, config.kind, columns, columns, primary_metric(config), config.weight)
        if config.kind == "multiclass":
            return replace(task, classes=config.classes or sorted_names(set(self.column("train", columns[0]).values)))
        if isinstance(config, MultilabelConfig) and config.column is not None:
            task = replace(task, delimiter=config.delimiter)
            names = {label for cell in self.column("train", config.column).values for label in labels_in(cell, task)}
            return replace(task, classes=config.classes or sorted_names(names))
        return task

    def _zero_one_columns(self, name: str, taken: set[str]) -> tuple[str, ...]:
        left = [column for column in self.splits["train"].column_names if column not in taken]
        fits = []
        for column in left:
            values = self.column("train", column).values if is_scalar(self.splits["train"], column) else [None]
            if values and all(value in _ZERO_ONE for value in values):
                fits.append(column)
        if not fits:
            self.problems.append(
                f"tasks.{name}.columns: none of the columns left over ({', '.join(left) or 'there is none'}) "
                "holds only 0, 1 or blanks; name the columns"
            )
        return tuple(fits)

    def targets(self, task: Task, split: str) -> Targets:
        """The targets of a task in a split; all masked where the split has no labels. Collects problems."""
        size = len(self.splits[split])
        shape = (size,) if task.kind == "multiclass" else (size, task.num_outputs)
        target = np.zeros(shape, dtype=np.int64 if task.kind == "multiclass" else np.float32)
        mask = np.zeros(shape, dtype=bool)
        single = task.kind == "multilabel" and task.columns != task.classes
        for index, name in enumerate(task.columns):
            if not self.has(split, name):
                continue
            column = self.column(split, name)
            if task.kind == "multiclass":
                target[:], mask[:] = self._classes(task, split, name, column)
            elif single:
                target[:], mask[:] = self._label_sets(task, split, name, column)
            else:
                target[:, index], mask[:, index] = self._numbers(task, split, name, column)
        return Targets(target, mask)

    def _classes(self, task: Task, split: str, name: str, column: Column) -> tuple[np.ndarray, np.ndarray]:
        known = {label: index for index, label in enumerate(task.classes)}
        rule = f"is none of the {len(known)} classes of the training split or of tasks.{task.name}.classes"
        self._check(split, name, column, lambda value: value not in known, rule)
        lookup = np.array([*(known.get(value, -1) for value in column.values), -1], dtype=np.int64)[column.codes]
        return np.maximum(lookup, 0), lookup >= 0

    def _label_sets(self, task: Task, split: str, name: str, column: Column) -> tuple[np.ndarray, np.ndarray]:
        known = {label: index for index, label in enumerate(task.classes)}
        rule = f"holds a label that is none of the {len(known)} of the training split or of tasks.{task.name}.classes"
        self._check(split, name, column, lambda cell: any(v not in known for v in labels_in(cell, task)), rule)
        rows = np.zeros((len(column.values) + 1, len(known)), dtype=np.float32)
        for code, cell in enumerate(column.values):
            rows[code, [known[label] for label in labels_in(cell, task) if label in known]] = 1
        return rows[column.codes], np.repeat(column.codes[:, None] >= 0, len(known), axis=1)

    def _numbers(self, task: Task, split: str, name: str, column: Column) -> tuple[np.ndarray, np.ndarray]:
        parse = _zero_one if task.kind == "multilabel" else _number
        rule = "must be 0, 1 or blank" if task.kind == "multilabel" else "must be a finite number or blank"
        self._check(split, name, column, lambda value: parse(value) is None, rule)
        lookup = np.array([*(parse(value) or 0.0 for value in column.values), 0.0], dtype=np.float32)
        return lookup[column.codes], column.codes >= 0

    def _check(self, split: str, name: str, column: Column, wrong: Callable[[Any], bool], rule: str) -> None:
        rows = column.rows_of(wrong)
        if len(rows):
            ids = self.splits[split].select(rows[:_SHOWN])["id"]
            shown = [f"id {i}: {column.values[column.codes[row]]!r}" for i, row in zip(ids, rows, strict=False)]
            more = f", and {len(rows) - _SHOWN} more rows" if len(rows) > _SHOWN else ""
            self.problems.append(f"{split}, column {name!r}: a cell {rule}; found {', '.join(shown)}{more}")


def is_scalar(split: datasets.Dataset, column: str) -> bool:
    """Whether a column holds one value a row, and so can be read by its distinct values."""
    return isinstance(split.features[column], (datasets.Value, datasets.ClassLabel))


def labels_in(cell: str | tuple[str, ...], task: Task) -> list[str]:
    """The label names in a cell: a list, or text with a delimiter."""
    parts = cell if isinstance(cell, tuple) else cell.split(task.delimiter)
    return [part.strip() for part in parts if part and part.strip()]


def _zero_one(value: str) -> float | None:
    return _ZERO_ONE.get(value)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    # False for NaN as well.
    return number if abs(number) <= float(np.finfo(np.float32).max) else None
