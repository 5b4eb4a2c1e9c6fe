"""A competition's sample_submission.csv: the form of a submission, checked before anything is predicted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.errors import UserError
from ..core.tasks import Task
from ..data.sources.images.image_names import IMAGE_SUFFIXES
from ..data.sources.splits import ID_NAMES, column_of
from ..data.sources.table_cache import TableCache
from ..data.sources.tables.text_format import TextFormat
from ..data.sources.tables.text_tables import read_csv
from .submission import Form, Part, Submission, default_submission, require_separable_labels

_MAX_SHOWN = 5  # ids or columns that a message names


@dataclass(frozen=True)
class Expected:
    """Rows and columns of the predictions: the ids of the split, and the names of each task's columns."""

    split: str
    ids: Sequence[str]
    id_name: str
    tasks: Mapping[str, Task]
    names: Mapping[str, Sequence[str]]


def plan_submissions(expected: Expected, samples: Sequence[str], form: Form, cache: TableCache) -> list[Submission]:
    """Plan the submission of each task: by its sample where one is given, otherwise in the usual form.

    Args:
        samples: paths of CSVs, each PATH or TASK=PATH.

    Raises:
        UserError: everything in which the samples do not match the predictions.
    """
    planned: dict[str, Submission] = {}
    problems: list[str] = []
    for argument in samples:
        try:
            submission = _from_sample(argument, expected, cache)
        except UserError as error:
            problems += error.problems
            continue
        if submission.task.name in planned:
            problems.append(f"--sample_submission: {argument} is the second one of task {submission.task.name}")
        planned[submission.task.name] = submission
    for name, task in expected.tasks.items():
        if name not in planned:
            try:
                planned[name] = default_submission(task, expected.names[name], expected.id_name, form)
            except UserError as error:
                problems += error.problems
    if problems:
        raise UserError(problems)
    return [planned[name] for name in expected.tasks]


def _from_sample(argument: str, expected: Expected, cache: TableCache) -> Submission:
    task_name, equals, rest = argument.partition("=")
    named = expected.tasks.get(task_name) if equals else None
    path = Path(rest if named else argument).expanduser()
    if not path.is_file():
        raise UserError(
            f"--sample_submission: {path} is no file; give the path of a CSV, or TASK=PATH with a task of "
            f"{', '.join(expected.tasks)}"
        )
    table = read_csv(path, cache, text=TextFormat(",", "utf-8")).table
    header = table.column_names
    id_column = _id_column(header, expected)
    others = [name for name in header if name != id_column]
    problems = []
    order = np.empty(0, np.int64)
    try:
        order = _order(path, column_of(table, id_column).to_pylist(), expected)
    except UserError as error:
        problems += error.problems
    try:
        task = named or _task_of(path, others, expected.tasks)
        parts = dict(zip(others, _parts(path, task, others), strict=True))
    except UserError as error:
        problems = error.problems + problems
    if problems:
        raise UserError(problems)
    return Submission(task, tuple(header), tuple(parts.get(name, Part.ID) for name in header), order)


def _id_column(header: Sequence[str], expected: Expected) -> str:
    """Find the column of the ids: by its name in the data, by a usual name, or else the first one."""
    if expected.id_name in header:
        return expected.id_name
    answers = {name for task in expected.tasks.values() for name in (task.name, *task.classes, *task.columns)}
    by_name = {name.lower(): name for name in header if name not in answers}
    return next((by_name[name] for name in ID_NAMES if name in by_name), header[0])


def _own_names(task: Task) -> set[str]:
    """Names by which a single column is known to be the task's."""
    return {task.name, *(task.columns if len(task.columns) == 1 else ())}


def _task_of(path: Path, others: Sequence[str], tasks: Mapping[str, Task]) -> Task:
    """Find the task that the columns beside the id belong to."""
    if len(tasks) == 1:
        return next(iter(tasks.values()))
    exact = [t for t in tasks.values() if (len(others) == 1 and others[0] in _own_names(t)) or _are_all(t, others)]
    near = [t for t in tasks.values() if set(_columns(t)) & set(others)]
    classes = [t for t in tasks.values() if t.is_single_label and len(others) == 1]
    for found in (exact, near, classes):
        if len(found) == 1:
            return found[0]
    wanted = "; ".join(
        f"{t.name}: {_quote_names([t.name] if t.is_single_label else t.classes)}" for t in tasks.values()
    )
    raise UserError(
        f"{path}: its columns {_quote_names(others)} do not tell which task it is of; give it as TASK={path}. The "
        f"tasks and their columns are {wanted}"
    )


def _columns(task: Task) -> Sequence[str]:
    return [task.name] if task.is_single_label else task.classes


def _are_all(task: Task, others: Sequence[str]) -> bool:
    return not task.is_single_label and sorted(others) == sorted(task.classes)


def _parts(path: Path, task: Task, others: Sequence[str]) -> list[Part | int]:
    """Find the content of each column beside the id.

    Raises:
        UserError: columns are missing, or are none of the task's.
    """
    if _are_all(task, others):
        return [task.classes.index(name) for name in others]
    if len(others) == 1 and task.kind == "multilabel" and others[0] not in task.classes:
        require_separable_labels(task)
        return [Part.LABELS]
    if len(others) == 1 and (task.is_single_label or task.num_outputs == 1):
        return [0]
    if task.is_single_label:
        raise UserError(
            f"{path}: a submission of task {task.name} has two columns, the id and the class, and this one has "
            f"beside the id {len(others)}: {_quote_names(others)}"
        )
    missing = [name for name in task.classes if name not in others]
    unknown = [name for name in others if name not in task.classes]
    problems = []
    if missing:
        problems.append(f"{path}: {len(missing)} columns of task {task.name} are missing: {_quote_names(missing)}")
    if unknown:
        problems.append(f"{path}: {len(unknown)} columns are none of task {task.name}: {_quote_names(unknown)}")
    raise UserError([*problems, f"{path}: its columns must be the id and {', '.join(task.classes)}, in any order"])


def _order(path: Path, sample: Sequence[str | None], expected: Expected) -> np.ndarray:
    """Find the row of each id of the sample: int64 [N].

    Raises:
        UserError: ids are blank, duplicated, missing or unknown.
    """
    row_of = {identifier: row for row, identifier in enumerate(expected.ids)}
    count = Counter(identifier for identifier in sample if identifier is not None)
    blank = sample.count(None)
    duplicated = [identifier for identifier, times in count.items() if times > 1]
    unknown = [identifier for identifier in count if identifier not in row_of]
    missing = [identifier for identifier in expected.ids if identifier not in count]
    split = f"the {expected.split} split"
    problems = []
    if blank:
        problems.append(f"{path}: {blank} rows have no id; fill it in")
    if duplicated:
        problems.append(
            f"{path}: {len(duplicated)} ids occur several times: {_quote_names(duplicated)}; keep one row of each"
        )
    if unknown:
        problems.append(f"{path}: {len(unknown)} ids are none of {split}'s {len(row_of)}: {_quote_names(unknown)}")
    if missing:
        problems.append(f"{path}: {len(missing)} ids of {split} are missing in it: {_quote_names(missing)}")
    if unknown or missing:
        problems.append(f"{path}: {_suggest_fix(unknown, missing, expected)}")
    if problems:
        raise UserError(problems)
    return np.array([row_of[str(identifier)] for identifier in sample], dtype=np.int64)


def _suggest_fix(unknown: Sequence[str], missing: Sequence[str], expected: Expected) -> str:
    by_stem = {_stem(identifier): identifier for identifier in missing}
    pairs = [(identifier, by_stem[_stem(identifier)]) for identifier in unknown if _stem(identifier) in by_stem]
    if not pairs:
        return "check that it is the sample of this split, and --data.source, --split and --data.id_column"
    return (
        f"{len(pairs)} ids differ only by a suffix, such as {pairs[0][0]!r} here and {pairs[0][1]!r} in the "
        f"{expected.split} split, and must be equal: write the sample's ids into a column of the split's table, and "
        "name it by --data.id_column"
    )


def _stem(identifier: str) -> str:
    stem, suffix = os.path.splitext(identifier)  # noqa: PTH122 - an id is no path
    return stem if suffix.lower() in IMAGE_SUFFIXES else identifier


def _quote_names(names: Sequence[str]) -> str:
    more = f", and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return (", ".join(map(repr, names[:_MAX_SHOWN])) or "none") + more
