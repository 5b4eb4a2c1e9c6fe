"""Looks for labels that are probably wrong although every cell is valid. It is cheap enough for each start of a run."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ...core.errors import MAX_LISTED
from ...core.tasks import Task
from ...metrics.coverage import Coverage
from .dataset import LabeledDataset
from .reader import Targets

_MAX_LINES = 5  # of a run's log
_MIN_POSITIVES = 5  # rows, below which two equal columns may be chance


def start_lines(labelled: LabeledDataset) -> list[str]:
    """The first warnings, for the log of a run, and where the rest is said."""
    found = label_warnings(labelled)
    more = [f"... and {len(found) - _MAX_LINES} more: mtl-accel doctor shows all"] if len(found) > _MAX_LINES else []
    return [f"warning: {line}" for line in found[:_MAX_LINES]] + more


def coverage_lines(labelled: LabeledDataset, name: str = "validation") -> Iterator[str]:
    """One line for each task that has labels or classes without an image in validation: what its metrics are means of.

    Args:
        name: how the lines call the split.
    """
    for task, (target, mask) in labelled.targets["validation"].items():
        kind, classes = labelled.tasks[task].kind, labelled.tasks[task].classes
        if kind != "regression" and (line := Coverage.of(kind, classes, target, mask).describe(name)):
            yield f"{task}: {line}"


def label_warnings(labelled: LabeledDataset) -> list[str]:
    """One line for each thing that is suspicious in the labels of training, or of validation beside it."""
    found: list[str] = []
    for name, task in labelled.tasks.items():
        train = labelled.targets["train"][name]
        validation = labelled.targets.get("validation", {}).get(name)
        found += _similar_names(task)
        if task.is_single_label:
            found += _classes(task, train, validation)
        elif task.kind == "multilabel":
            found += _labels(task, train, validation)
        else:
            found += _numbers(task, train)
    return [*found, *_equal_labels(labelled)]


def normalized_name(name: str) -> str:
    """A class name without case, accents, spaces and signs, so that spellings of one name are equal."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in letters if not unicodedata.combining(c))) or name


def class_counts(task: Task, targets: Targets) -> np.ndarray:
    """Number of rows with each class, or with a 1 for each label: int64 [C]. None of a regression."""
    if task.is_single_label:
        return np.bincount(targets.target[targets.mask], minlength=len(task.classes))
    return np.count_nonzero(targets.mask & (targets.target > 0), axis=0)


def _similar_names(task: Task) -> Iterator[str]:
    spellings: dict[str, list[str]] = {}
    for name in task.classes if task.kind != "regression" else ():
        spellings.setdefault(normalized_name(name), []).append(name)
    for names in spellings.values():
        if len(names) > 1:
            yield (
                f"{task.name}: {' and '.join(map(repr, names))} differ by case, spaces, accents or signs alone; if "
                "they are one, correct the cells"
            )


def _classes(task: Task, train: Targets, validation: Targets | None) -> Iterator[str]:
    counts = class_counts(task, train)
    present = counts > 0
    if present.sum() == 1:
        yield f"{task.name}: every training row has the class {task.classes[int(present.argmax())]!r}; nothing to learn"
        return
    unseen, missing = _divide_missing(task, ~present, validation)
    if unseen.any():
        yield f"{task.name}: validation has classes that no training row has: {_names(task, unseen)}"
    if missing.any():
        yield f"{task.name}: no training row has {_names(task, missing)}"
    single = counts == 1
    if 2 * single.sum() > present.sum() > 2:
        yield (
            f"{task.name}: {single.sum()} of {present.sum()} classes have one training row each; if the column holds "
            "numbers or ids, it is no class"
        )


def _labels(task: Task, train: Targets, validation: Targets | None) -> Iterator[str]:
    counts, known = class_counts(task, train), np.count_nonzero(train.mask, axis=0)
    unseen, missing = _divide_missing(task, counts == 0, validation)
    always = (counts == known) & (counts > 0)
    if unseen.any():
        yield f"{task.name}: validation has a 1 for labels that no training row has: {_names(task, unseen)}"
    if missing.any():
        yield f"{task.name}: no training row has a 1 for {_names(task, missing)}; nothing to learn there"
    if always.any():
        yield f"{task.name}: no training row has a 0 for {_names(task, always)}; nothing to learn there"


def _divide_missing(task: Task, missing: np.ndarray, validation: Targets | None) -> tuple[np.ndarray, np.ndarray]:
    """The classes missing from training that validation has, and those that it lacks as well: bool [C] each."""
    unseen = missing & (class_counts(task, validation) > 0) if validation is not None else np.zeros_like(missing)
    return unseen, missing & ~unseen


def _numbers(task: Task, train: Targets) -> Iterator[str]:
    for index, column in enumerate(task.columns):
        values = train.target[train.mask[:, index], index]
        if len(values) > 1 and values.min() == values.max():
            yield f"{task.name}: every training row has {values[0]:g} in {column}; nothing to learn there"


def _equal_labels(labelled: LabeledDataset) -> Iterator[str]:
    """Labels that are 1 in the same training rows."""
    equal: dict[tuple[bytes, bytes], list[str]] = {}
    for name, task in labelled.tasks.items():
        if task.kind == "multilabel":
            target, mask = labelled.targets["train"][name]
            ones, known = (np.packbits(columns, axis=0).T for columns in (target > 0, mask))
            often = class_counts(task, labelled.targets["train"][name]) >= _MIN_POSITIVES
            for index in np.flatnonzero(often):
                equal.setdefault((ones[index].tobytes(), known[index].tobytes()), []).append(task.classes[index])
    for names in equal.values():
        if len(names) > 1:
            yield f"{_listed(names)} have the same label in every training row; keep one of them"


def _names(task: Task, chosen: np.ndarray) -> str:
    return _listed([task.classes[index] for index in np.flatnonzero(chosen)])


def _listed(names: Sequence[str] | Iterable[str]) -> str:
    names = list(names)
    rest = len(names) - MAX_LISTED
    return ", ".join(map(repr, names[:MAX_LISTED])) + (f" and {rest} more" if rest > 0 else "")
