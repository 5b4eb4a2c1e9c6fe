"""Evaluate a finished run's model on its validation split: figures per label, confusions, confident mistakes.

Computed once and kept in the run folder, until the model is another one.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import datasets
import numpy as np
from pydantic import BaseModel, ValidationError

from ... import metrics
from ...config import Config
from ...config.foreign import with_own_cache
from ...core import atomic_io
from ...core.errors import UserError
from ...core.progress import progress_lines
from ...core.tasks import Kind, Task
from ...data.labels.one_split import read_labeled_split
from ...data.labels.reader import Targets
from ...data.loading.broken_images import readable_part
from ...inference import predictor
from ...metrics.registry import decision_metric_names
from ...metrics.thresholds import DEFAULT_THRESHOLD
from ...runs.log import without_nan
from ...runs.model_folder import FILES
from . import mistakes
from .mistakes import Mistake
from .runs import RunRecord

_FILE = "report.json"
_VERSION = 2  # of what the file holds: another one never reads an older file
_MAX_CLASSES = 20  # of a confusion matrix
_MAX_CONFUSIONS = 8
_CHUNK_BYTES = 1 << 20

logger = logging.getLogger(__name__)


class LabelFigures(BaseModel):
    """One class or label; null where it is labelled in no row. `fitted_*` and `threshold`: of multilabel tasks."""

    label: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    threshold: float | None = None
    fitted_f1: float | None = None


class ColumnFigures(BaseModel):
    """One column of a regression, in its unit; null where it is labelled in no row. `metrics` by their names."""

    column: str
    labelled: int
    mean: float | None
    std: float | None
    metrics: dict[str, float | None]


class Confusion(BaseModel):
    """How often each class (row) was taken for which (column), among the classes with the most mistakes."""

    classes: list[str]
    counts: list[list[int]]
    left_out: int  # classes that are not shown
    most: list[tuple[str, str, int]]  # true class, predicted class, how often


class TaskFigures(BaseModel):
    """One task on the validation split. `metrics` by full name, at threshold 0.5; `fitted`: with the model's own."""

    name: str
    kind: Kind
    labels: list[LabelFigures]
    confusion: Confusion | None
    mistakes: list[Mistake]
    num_mistakes: int
    metrics: dict[str, float | None]
    fitted: dict[str, float | None] = {}
    columns: list[ColumnFigures] = []


class Validation(BaseModel):
    """All tasks of a run. `key` identifies the model and its data."""

    key: str
    images: int
    tasks: list[TaskFigures]


class ValidationAnswers(NamedTuple):
    """A run's model and what it says of its validation split.

    Attributes:
        table: `id` and `image` of the rows, without broken images that the config leaves out.
        targets, scores: by task; a score is `Task.probabilities`, float64 [N, C].
    """

    model: predictor.Predictor
    table: datasets.Dataset
    targets: dict[str, Targets]
    scores: dict[str, np.ndarray]


def evaluate_run(record: RunRecord) -> Validation:
    """Read the figures from the run folder, or else compute them and write them there.

    Raises:
        UserError: no finished model lies there, or the data are not what they were.
    """
    key = _key(record)
    path = record.folder / _FILE
    saved = _read_saved(path, key)
    if saved is not None:
        return saved
    answers = predict_validation(record.folder, with_own_cache(record.config))
    found = Validation(
        key=key,
        images=len(answers.table),
        tasks=[
            task_figures(
                task, answers.scores[name], answers.targets[name], answers.model.thresholds.get(name), answers.table
            )
            for name, task in answers.model.tasks.items()
        ],
    )
    try:
        atomic_io.write_bytes(path, found.model_dump_json().encode())
    except UserError as error:  # somebody else's run, or a full disk: the page is made all the same
        logger.warning("the figures of %s are not kept: %s", record.name, error)
    return found


def predict_validation(run: Path, config: Config) -> ValidationAnswers:
    """Compute the probabilities of a finished run's model on its validation split.

    Args:
        config: that of the run, or one with the same data in another place.

    Raises:
        UserError: no finished model lies there, or the data are not what they were.
    """
    model = predictor.load(run, num_workers=config.data.num_workers)
    table, targets, _ = read_labeled_split(config, model.tasks, "validation")
    table, targets = readable_part(table, targets, "validation", config.data)
    with progress_lines():
        scores = model.probabilities(table, name="validation")
    predictor.require_finite(run, "validation", *scores.values())
    return ValidationAnswers(model, table, targets, scores)


def task_figures(
    task: Task, scores: np.ndarray, targets: Targets, thresholds: np.ndarray | None, table: datasets.Dataset
) -> TaskFigures:
    """Figures of one task from its probabilities [N, C]; `thresholds` [C] of a multilabel one."""
    arrays = (scores, targets.target, targets.mask)
    wrong = mistakes.find_wrong_answers(task, *arrays, thresholds)
    thresholded = decision_metric_names(task.kind, task.metrics)
    fitted = {} if thresholds is None else metrics.compute(task.kind, *arrays, thresholds, task.metrics)
    return TaskFigures(
        name=task.name,
        kind=task.kind,
        labels=_labels(task, *arrays, thresholds),
        confusion=_confusion(task, *arrays) if task.is_single_label else None,
        mistakes=mistakes.choose_mistakes(wrong, table),
        num_mistakes=len(wrong),
        metrics=_named(task, metrics.compute(task.kind, *arrays, added=task.metrics)),
        fitted=_named(task, {name: fitted[name] for name in thresholded if name in fitted}),
        columns=_columns(task, *arrays) if task.kind == "regression" else [],
    )


def _labels(
    task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray, thresholds: np.ndarray | None
) -> list[LabelFigures]:
    rows = metrics.per_label(task.kind, scores, target, mask, task.classes, DEFAULT_THRESHOLD)
    figures = [LabelFigures(**without_nan(row)) for row in rows]
    if thresholds is None:
        return figures
    fitted = metrics.per_label(task.kind, scores, target, mask, task.classes, thresholds)
    return [
        row.model_copy(update={"threshold": float(threshold), "fitted_f1": without_nan(own["f1"])})
        for row, own, threshold in zip(figures, fitted, thresholds, strict=True)
    ]


def _columns(task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray) -> list[ColumnFigures]:
    rows = metrics.per_column(scores, target, mask, task.columns)
    return [ColumnFigures.model_validate(without_nan(row)) for row in rows]


def _confusion(task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray) -> Confusion:
    size = len(task.classes)
    true, guessed = target[mask].astype(int), task.predicted_classes(scores[mask])
    counts = np.bincount(true * size + guessed, minlength=size * size).reshape(size, size)
    wrong = counts - np.diag(np.diag(counts))
    # All classes in their own order, or of too many those with the most mistakes.
    worst = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")[:_MAX_CLASSES]
    chosen = np.sort(worst)
    pairs = [divmod(int(place), size) for place in np.argsort(-wrong, axis=None, kind="stable")[:_MAX_CONFUSIONS]]
    return Confusion(
        classes=[task.classes[index] for index in chosen],
        counts=counts[np.ix_(chosen, chosen)].tolist(),
        left_out=size - len(chosen),
        most=[(task.classes[t], task.classes[g], int(wrong[t, g])) for t, g in pairs if wrong[t, g]],
    )


def _named(task: Task, values: Mapping[str, float]) -> dict[str, float | None]:
    found: dict[str, float | None] = without_nan({f"{task.name}/{name}": value for name, value in values.items()})
    return found


def _read_saved(path: Path, key: str) -> Validation | None:
    try:
        saved = Validation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):  # none yet, or one that is damaged: it is written anew
        return None
    return saved if saved.key == key else None


def _key(record: RunRecord) -> str:
    """Digest of the model, of the data that it is evaluated on, and of the version of the file.

    Raises:
        UserError: there is no finished model.
    """
    folder = record.folder / "model"
    digest = hashlib.sha256(json.dumps([_VERSION, record.config.data.model_dump(mode="json")]).encode())
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise UserError(f"{path} is not there; a run writes RUN/model when it has finished")
        with atomic_io.storage_errors(path), path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
