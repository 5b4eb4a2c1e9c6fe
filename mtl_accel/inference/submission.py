"""Submissions, one CSV for each task, in one of the two usual forms or in that of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ..core.csv_cells import csv_line, escape_formula
from ..core.errors import UserError
from ..core.tasks import Task

Form = Literal["columns", "list"]


class Part(Enum):
    """Content of a column that is not one of the task's own columns of answers."""

    ID = "the id"
    LABELS = "every predicted label, in one cell"


@dataclass(frozen=True)
class Submission:
    """The columns of a submission, and the order of its rows.

    Attributes:
        parts: content of each column of the header; a number is the index of one of the task's columns of answers.
        order: indices of rows in the order of a sample, whose header and ids are then written unchanged; None: every
            row, in order.
    """

    task: Task
    header: tuple[str, ...]
    parts: tuple[Part | int, ...]
    order: np.ndarray | None = None

    @property
    def file_name(self) -> str:
        name = f"submission_{self.task.name}.csv"
        if Path(name).name != name:
            raise UserError(f"task {self.task.name!r}: its name cannot be a part of a file's name; rename it")
        return name


def default_submission(task: Task, names: Sequence[str], id_name: str, form: Form) -> Submission:
    """Plan the id and the class, the numbers, or the labels, as 0/1 columns or as one list.

    Args:
        names: names of the task's columns of answers.

    Raises:
        UserError: a list could not be split into its labels again.
    """
    if task.kind == "multilabel" and form == "list":
        require_separable_labels(task)
        return Submission(task, (id_name, task.name), (Part.ID, Part.LABELS))
    return Submission(task, (id_name, *names), (Part.ID, *range(len(names))))


def require_separable_labels(task: Task) -> None:
    """Check the labels of a list.

    Raises:
        UserError: one contains the delimiter.
    """
    ambiguous = [label for label in task.classes if task.delimiter in label]
    if ambiguous:
        raise UserError(
            f"task {task.name}: in a list separated by {task.delimiter!r}, labels such as {ambiguous[0]!r} would be "
            f"split ({len(ambiguous)} of {len(task.classes)} would); write them as 0/1 columns"
        )


def format_csv(submission: Submission, answers: pd.DataFrame, names: Sequence[str], *, raw: bool = False) -> str:
    """Format the CSV.

    Args:
        answers: the ids first, and columns of the task under `names`.
        raw: do not escape cells that a spreadsheet would run.
    """
    rows = answers if submission.order is None else answers.iloc[submission.order]
    escape: Callable[[str], str] = str if raw else escape_formula
    escape_id = str if submission.order is not None else escape
    columns = []
    for part in submission.parts:
        if part is Part.ID:
            columns.append([escape_id(identifier) for identifier in rows.iloc[:, 0]])
        elif part is Part.LABELS:
            columns.append([escape(cell) for cell in _lists(submission.task, rows[list(names)].to_numpy())])
        else:
            assert isinstance(part, int)
            # Numbers are written in full, so that they are read back as the same ones.
            cells = rows[names[part]].tolist()
            columns.append([escape(cell) if isinstance(cell, str) else repr(cell) for cell in cells])
    header = csv_line([escape_id(name) for name in submission.header])
    return header + "".join(map(csv_line, zip(*columns, strict=True)))


def _lists(task: Task, labels: np.ndarray) -> list[str]:
    """Join the names of the predicted labels of each row: labels int [N, C]."""
    names = np.array(task.classes, dtype=object)
    return [task.delimiter.join(names[row]) for row in labels.astype(bool)]


def format_files(
    submissions: Sequence[Submission], answers: pd.DataFrame, names: Mapping[str, Sequence[str]], *, raw: bool
) -> dict[str, bytes]:
    """Format the content of each file, by its name."""
    return {s.file_name: format_csv(s, answers, names[s.task.name], raw=raw).encode() for s in submissions}
