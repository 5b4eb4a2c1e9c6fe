"""How many images, classes and labels there are: tables of what is normal and of what is rare."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....core.tasks import Task
from ....data.labels.label_checks import class_counts
from ....data.labels.reader import Targets
from ....report.tables import ABSENT
from ..findings import Finding, note, table, warning
from ..survey import Survey

_RARE_ROWS = 20  # of training with a class or label, below which figures of it are chance
_MAX_NAMES = 8  # in a title


def check_splits(survey: Survey) -> Iterator[Finding]:
    """Number of images of each split, and of those without any label of a task."""
    if survey.labelled is None:
        return
    labelled = survey.labelled
    splits = {name: len(rows) for name, rows in labelled.splits.items()}
    title = ", ".join(f"{size:,} {name}" for name, size in splits.items()) + " images"
    held_out = f"{len(labelled.held_out):,} rows of training are held out for validation." if labelled.held_out else ""
    rows = []
    for name, task in labelled.tasks.items():
        unlabelled = {split: _num_unlabelled(labelled.targets[split][name]) for split in splits}
        cells = [f"{unlabelled[s]:,}" if unlabelled[s] < splits[s] else "all" for s in splits]
        rows.append((name, task.kind, len(task.classes), *cells))
    head = ("task", "kind", "outputs", *(f"unlabelled in {split}" for split in splits))
    tables = (table("Tasks, and images without any label of them", head, rows, num_words=2),) if rows else ()
    yield note("splits", title, held_out, tables=tables, values={"splits": splits})
    yield from _without_labels(survey)


def _without_labels(survey: Survey) -> Iterator[Finding]:
    """Training rows that no task learns from."""
    assert survey.labelled is not None
    targets = list(survey.labelled.targets.get("train", {}).values())
    if targets:
        labelled = np.any([_labelled_rows(t) for t in targets], axis=0)
        if not labelled.all():
            ids = survey.labelled.ids("train", np.flatnonzero(~labelled))
            yield warning(
                "splits",
                f"{len(ids):,} training images have no label of any task",
                "They cost time and teach nothing.",
                tables=(table("Images without a label", ("id",), [(identifier,) for identifier in ids]),),
            )


def _labelled_rows(targets: Targets) -> np.ndarray:
    return np.any(targets.mask.reshape(len(targets.mask), -1), axis=1)


def _num_unlabelled(targets: Targets) -> int:
    return int((~_labelled_rows(targets)).sum())


def check_rates(survey: Survey) -> Iterator[Finding]:
    """Classes and labels of each task, with their share of each split."""
    if survey.labelled is None:
        return
    for task in survey.labelled.tasks.values():
        if task.kind == "regression":
            yield _numbers(survey, task)
        else:
            yield from _rates(survey, task)


def _rates(survey: Survey, task: Task) -> Iterator[Finding]:
    assert survey.labelled is not None
    by_split = {split: targets[task.name] for split, targets in survey.labelled.targets.items()}
    by_split = {split: targets for split, targets in by_split.items() if targets.mask.any()}
    counts = {split: class_counts(task, targets) for split, targets in by_split.items()}
    known = {split: np.broadcast_to(targets.mask.sum(axis=0), len(task.classes)) for split, targets in by_split.items()}
    if "train" not in counts:
        return
    order = np.argsort(-counts["train"], kind="stable")
    what = "class" if task.is_single_label else "label"
    rows = [
        (task.classes[index], *(cell for split in counts for cell in _count(counts[split][index], known[split][index])))
        for index in order
    ]
    head = (what, *(cell for split in counts for cell in (split, "rate")))
    smallest, largest = counts["train"].min(), counts["train"].max()
    plural = "classes" if what == "class" else "labels"
    title = f"{task.name}: {len(task.classes)} {plural} of {smallest:,} to {largest:,} training rows"
    yield note("rates", title, tables=(table(f"Rows of each {what} of {task.name}", head, rows),))
    rare = [task.classes[index] for index in order if 0 < counts["train"][index] < _RARE_ROWS]
    if rare:
        names = ", ".join(rare[:_MAX_NAMES]) + (f" and {len(rare) - _MAX_NAMES} more" if len(rare) > _MAX_NAMES else "")
        yield warning(
            "rates",
            f"{task.name}: fewer than {_RARE_ROWS} training rows have {names}",
            "Collect more, merge them, or expect figures of them to be chance; docs/howto/labels.md says what helps.",
            values={"rare": rare},
        )


def _count(count: int, known: int) -> tuple[str, str]:
    return f"{count:,}", f"{count / known:.1%}" if known else ABSENT


def _numbers(survey: Survey, task: Task) -> Finding:
    assert survey.labelled is not None
    rows = []
    for split, targets in survey.labelled.targets.items():
        for index, column in enumerate(task.columns):
            values = targets[task.name].target[targets[task.name].mask[:, index], index]
            if len(values):
                quantiles = (f"{q:g}" for q in np.quantile(values, [0, 0.01, 0.5, 0.99, 1]))
                rows.append((column, split, f"{len(values):,}", f"{values.mean():g}", f"{values.std():g}", *quantiles))
    head = ("column", "split", "rows", "mean", "deviation", "lowest", "1%", "median", "99%", "highest")
    title = f"{task.name}: {len(task.columns)} column{'s' * (len(task.columns) > 1)} of numbers"
    return note("rates", title, tables=(table(f"Numbers of {task.name}", head, rows, num_words=2),))
