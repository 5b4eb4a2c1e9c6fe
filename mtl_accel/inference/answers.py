"""From probabilities to answers: one table with an id, classes, labels and values of each image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..core.errors import UserError
from ..core.tasks import Task

_MAX_SHOWN = 5  # ids in a message


def column_names(tasks: Mapping[str, Task], id_name: str) -> dict[str, list[str]]:
    """Names of each task's columns: the task's own for a class; those of its labels, or of its numbers.

    A name that several tasks have, or that the column of ids has, is prefixed by its task: "task.label".
    """
    plain = {name: [name] if task.is_single_label else list(task.classes) for name, task in tasks.items()}
    count = Counter([id_name, *(name for names in plain.values() for name in names)])
    return {task: [f"{task}.{name}" if count[name] > 1 else name for name in names] for task, names in plain.items()}


def table(
    ids: Sequence[str],
    scores: Mapping[str, np.ndarray],
    tasks: Mapping[str, Task],
    thresholds: Mapping[str, np.ndarray],
    *,
    id_name: str = "id",
    probabilities: bool = False,
) -> pd.DataFrame:
    """Make one row for each image: its id as text, class names, 0 or 1 for each label, numbers unchanged.

    Args:
        scores: `Task.probabilities` of each task, float64 [N, C].
        thresholds: those of each multilabel task [C]; a label is predicted where its probability is at least as large.
        probabilities: whether to add those of each class and label, in columns "task/class".

    Raises:
        UserError: a score is not finite, or two columns would have one name.
    """
    _require_finite(ids, scores)
    columns: list[tuple[str, Sequence[str] | np.ndarray]] = [(id_name, ids)]
    names = column_names(tasks, id_name)
    for name, task in tasks.items():
        columns += zip(names[name], _decide(task, scores[name], thresholds), strict=True)
    if probabilities:
        for name, task in tasks.items():
            if task.kind != "regression":
                columns += [(f"{name}/{label}", scores[name][:, at]) for at, label in enumerate(task.classes)]
    duplicated = sorted(name for name, count in Counter(name for name, _ in columns).items() if count > 1)
    if duplicated:
        raise UserError(
            f"the answers would have two columns {', '.join(map(repr, duplicated))}: tasks and labels of this model "
            "have the names of others; train it with other names"
        )
    return pd.DataFrame(dict(columns))


def _decide(task: Task, scores: np.ndarray, thresholds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Decide on the columns of a task, [N] each: class names, int64 labels, or float64 numbers."""
    if task.is_single_label:
        return [np.array(task.classes, dtype=object)[task.predicted_classes(scores)]]
    if task.kind == "multilabel":
        scores = (scores >= thresholds[task.name]).astype(np.int64)
    return list(scores.T)


def _require_finite(ids: Sequence[str], scores: Mapping[str, np.ndarray]) -> None:
    """Check the scores: NaN would become the first class, or no label, and look like an answer."""
    wrong = {name: np.flatnonzero(~np.isfinite(values).all(axis=1)) for name, values in scores.items()}
    problems = [
        f"task {name}: the output for {len(rows)} of {len(ids)} pictures is not finite, such as for "
        f"{', '.join(ids[row] for row in rows[:_MAX_SHOWN])}; its weights are damaged, or the training diverged"
        for name, rows in wrong.items()
        if len(rows)
    ]
    if problems:
        raise UserError(problems)
