"""Which classes and labels occur together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ....core.tasks import Task
from ....data.labels.reader import Targets
from ....report.tables import ABSENT, Table
from ..findings import Finding, note, table
from ..survey import Survey

_MAX_CLASSES, _MAX_LABELS, _MAX_PAIRS = 40, 30, 12


def check_together(survey: Survey) -> Iterator[Finding]:
    """Rate of each label within each class, and the pairs of labels that go together most and least."""
    if survey.labelled is None or "train" not in survey.labelled.targets:
        return
    train, tasks = survey.labelled.targets["train"], survey.labelled.tasks
    for first, second in itertools.permutations(tasks.values(), 2):
        is_pair = first.is_single_label and (second.kind == "multilabel" or first.name < second.name)
        if is_pair and second.kind != "regression":
            shown = _within_classes(first, train[first.name], second, train[second.name])
            yield note("together", f"{second.name} within the classes of {first.name}", tables=(shown,))
    for task in tasks.values():
        if task.kind == "multilabel" and task.num_outputs > 1 and (pairs := _pairs(task, train[task.name])):
            text = "Correlation (phi) over the training rows that have both labels known."
            yield note("together", f"{task.name}: labels that go together most", text, tables=(pairs,))


def _within_classes(first: Task, classes: Targets, second: Task, labels: Targets) -> Table:
    """Share of the rows of each class that have each label, of those where both are known."""
    known = np.atleast_2d(labels.mask.T).T
    ones = (
        np.eye(len(second.classes), dtype=bool)[labels.target] & known if second.is_single_label else labels.target > 0
    )
    known = np.broadcast_to(known, ones.shape) & classes.mask[:, None]
    member = np.eye(len(first.classes), dtype=np.float32)[classes.target]
    counts, totals = member.T @ (ones & known), member.T @ known.astype(np.float32)
    often = np.argsort(-counts.sum(axis=0), kind="stable")[:_MAX_LABELS]
    largest = np.argsort(-member.sum(axis=0), kind="stable")[:_MAX_CLASSES]
    rows = [
        (
            first.classes[row],
            *(f"{counts[row, c] / totals[row, c]:.0%}" if totals[row, c] else ABSENT for c in often),
        )
        for row in largest
    ]
    cut = " (the most frequent ones)" if len(often) < len(second.classes) or len(rows) < len(first.classes) else ""
    caption = f"Share of the rows of a class that have a label{cut}"
    return table(caption, (first.name, *(second.classes[c] for c in often)), rows)


def _pairs(task: Task, labels: Targets) -> Table | None:
    """The pairs of labels with the largest correlation, positive or negative."""
    known = labels.mask.astype(np.float32)
    ones = (labels.mask & (labels.target > 0)).astype(np.float32)
    both, total = ones.T @ ones, known.T @ known
    first, second = ones.T @ known, known.T @ ones  # rows with a 1 for one label, where the other is known
    spread = first * (total - first) * second * (total - second)
    phi = np.where(spread > 0, (both * total - first * second) / np.sqrt(np.maximum(spread, 1)), 0)
    pairs = np.stack(np.triu_indices(task.num_outputs, 1), axis=1)
    strength = np.abs(phi[pairs[:, 0], pairs[:, 1]])
    chosen = [pairs[at] for at in np.argsort(-strength, kind="stable")[:_MAX_PAIRS] if strength[at] >= 0.1]
    rows = [
        (
            f"{task.classes[a]} + {task.classes[b]}",
            f"{phi[a, b]:+.2f}",
            *(f"{n:,.0f}" for n in (both[a, b], first[a, b], second[a, b])),
        )
        for a, b in chosen
    ]
    head = ("labels", "correlation", "both", "the first", "the second")
    return table("Pairs of labels", head, rows) if rows else None
