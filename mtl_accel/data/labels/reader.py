"""From the columns of a table to tasks and their targets: finds the classes, and checks every cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa

from ...config.sections.tasks import TaskConfig, named_columns
from ...core.errors import UserError
from ...core.tasks import Task
from ..sources.splits import RawSplit
from .cells import MISSING, parser_of
from .columns import Cells, read_column
from .task_finder import TaskFinder

_MAX_SHOWN = 5  # rows named for one problem
_ORDER = ("train", "validation", "test")


class Targets(NamedTuple):
    """A task's labels of one split.

    target: int64 [N] (multiclass, ordinal), float32 [N, C] of 0 and 1 (multilabel) or of values (regression).
    mask: bool [N] or [N, C]; false where there is no label, and the target there is 0.
    """

    target: np.ndarray
    mask: np.ndarray

    def select(self, rows: np.ndarray) -> Targets:
        """Targets of some rows: int64 [M] of their numbers."""
        return Targets(self.target[rows], self.mask[rows])


class LabelReader:
    """Finds each task's columns and classes in the splits, and turns the columns into targets.

    Messages name a row by its line, where `origins` knows one, and by the splits' column `id`.

    Args:
        reserved: columns that no task may find for itself.
        origins: of each split, where its rows come from.

    Attributes:
        problems: everything that was found to be wrong so far.
        notes: lines for the log: which columns were taken as labels where the config names none.
        inferred: the same as values of knobs, by their dotted paths.
    """

    def __init__(
        self, splits: Mapping[str, datasets.Dataset], reserved: set[str], origins: Mapping[str, RawSplit] | None = None
    ) -> None:
        self.splits = {name: splits[name] for name in _ORDER if name in splits}
        self._names = {name: frozenset(table.column_names) for name, table in self.splits.items()}
        self.reserved, self.origins = reserved, origins or {}
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.inferred: dict[str, Any] = {}
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
            if cells.values[code] == "":  # a blank is nothing to speak of
                continue
            self._missing.setdefault(task.name, Counter())[cells.values[code]] += int(counts[code])

    def has(self, split: str, name: str) -> bool:
        """Whether a split has a column."""
        return name in self._names[split]

    def find_tasks(self, configs: Mapping[str, TaskConfig]) -> dict[str, Task]:
        """Find the columns and classes of the tasks. A task whose columns are absent is a problem, and left out.

        Raises:
            UserError: a column that the config names holds no labels by its type, in any split.
        """
        self.check_types({column for config in configs.values() for column in named_columns(config)})
        finder = TaskFinder(self.splits["train"], self.reserved, self.problems, self.notes)
        tasks = finder.find_tasks(configs)
        self.inferred = finder.inferred
        return tasks

    def check_types(self, columns: Collection[str]) -> None:
        """Check that columns may hold labels, by their types. Raises UserError with those that cannot."""
        problems = []
        for split, table in self.splits.items():
            place = self.origins[split].origin if split in self.origins else split
            types = {name: table.data.schema.field(name).type for name in sorted(self._names[split] & set(columns))}
            problems += [
                f"{place}, split {split}, column {name!r}: it holds {kind} in each row, not one value or a list. Make "
                "columns of it"
                for name, kind in types.items()
                if pa.types.is_struct(kind) or pa.types.is_map(kind) or pa.types.is_union(kind)
            ]
        if problems:
            raise UserError(problems)

    def read_targets(self, task: Task, split: str) -> Targets:
        """Read the targets of a task in a split, all masked where the split has no labels. Adds to `problems`."""
        size = len(self.splits[split])
        is_class = task.is_single_label and task.is_one_column
        shape = (size,) if is_class else (size, task.num_outputs)
        target = np.zeros(shape, dtype=np.int64 if is_class else np.float32)
        mask = np.zeros(shape, dtype=bool)
        num_problems = len(self.problems)
        for index, name in enumerate(task.columns):
            if self.has(split, name):
                outputs = ... if task.is_one_column else (slice(None), index)
                self._fill(task, split, name, target[outputs], mask[outputs])
        if task.confidence is not None and not task.absent_is_no and self.has(split, task.confidence):
            lacking = np.zeros_like(target)
            self._fill(task, split, task.confidence, lacking, np.zeros_like(mask))
            mask &= (target > 0) | (lacking > 0)
        if is_class or not task.is_single_label:
            return Targets(target, mask)
        num_ones, known = target.sum(axis=1), mask.any(axis=1)  # one-hot: a row of blanks alone has no class
        if len(self.problems) == num_problems:
            self._check_one_hot(task, split, target, known & (num_ones != 1))
        return Targets(target.argmax(axis=1), known & (num_ones == 1))

    def _check_one_hot(self, task: Task, split: str, target: np.ndarray, is_wrong: np.ndarray) -> None:
        """Report rows whose columns, one a class, do not have one 1: target float32 [N, C], is_wrong bool [N]."""
        wrong = np.flatnonzero(is_wrong).tolist()
        if wrong:
            ones = [[task.classes[column] for column in np.flatnonzero(target[row])] for row in wrong[:_MAX_SHOWN]]
            self._report(
                split,
                task.columns[0],
                f"tasks.{task.name}: a row must have one 1 in the columns of the classes, or blanks alone",
                wrong,
                [" and ".join(names) or "no 1" for names in ones],
                "Correct the rows, or choose kind multilabel if a picture may have several",
            )

    def _fill(self, task: Task, split: str, name: str, target: np.ndarray, mask: np.ndarray) -> None:
        """Write a column's values into target and mask, and report the cells that break the rule."""
        parse, rule = parser_of(task)
        bad: list[tuple[int, Any]] = []
        for block in read_column(self.splits[split], name):
            cells = block.with_blanks_as_text() if "" in task.values else block
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
            values = [repr(value) for _, value in bad[:_MAX_SHOWN]]
            problem = f"column {name!r}: a cell {rule.text}"
            self._report(split, name, problem, [row for row, _ in bad], values, rule.fix)

    def _report(
        self, split: str, column: str, problem: str, rows: Sequence[int], shown: Sequence[str], fix: str
    ) -> None:
        """Add a problem that some rows of a column have, with what the first of them hold, and the fix."""
        place, named = self._describe_rows(split, column, list(rows[:_MAX_SHOWN]))
        found = ", ".join(f"{row}: {what}" for row, what in zip(named, shown, strict=True))
        more = f", and {len(rows) - _MAX_SHOWN} more rows" if len(rows) > _MAX_SHOWN else ""
        self.problems.append(f"{place}, {problem}; found {found}{more}. {fix}")

    def _describe_rows(self, split: str, column: str, rows: list[int]) -> tuple[str, list[str]]:
        """The text file and the lines of some rows, or the split and their ids."""
        ids = self.splits[split].select(rows)["id"]
        origin = self.origins.get(split)
        origin = None if origin is None else origin.table_of(column)
        if origin is None or origin.lines is None:
            return split, [f"id {value}" for value in ids]
        # A blank id is a problem of its own.
        named = [f" (id {value})" if value else "" for value in ids]
        return origin.origin, [f"line {line}{name}" for line, name in zip(origin.lines_of(rows), named, strict=True)]
