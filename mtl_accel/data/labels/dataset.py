"""The labelled data set of a run: splits, tasks and targets, with rows held out where there is no validation split."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from ...config import Config
from ...config.sections.data import DataConfig
from ...config.sections.tasks import MultilabelConfig, RegressionConfig, TaskConfig, named_columns
from ...core.errors import UserError
from ...core.tasks import Scale, Task
from ..sources.load import Source, load_source
from ..sources.splits import ids_of
from . import holdout
from .reader import LabelReader, Targets

_MAX_SQUARED = float(np.sqrt(np.finfo(np.float32).max))


@dataclass(frozen=True)
class LabeledDataset:
    """Splits with the columns `id` and `image`, and each task's targets, with the rows in the same order.

    The splits are memory-mapped. An image takes memory for its targets (9 bytes for a task of one class, 5 for each
    output of the others) and, where rows of a split were selected, for its row number (8 bytes).

    Attributes:
        tasks: by name.
        targets: by split and task; none of the test split.
        fingerprint: digest of the source.
        held_out_ids: the column `id` of the rows that were taken from training for validation.
        skipped: what is wrong with each image whose row was left out of training or validation.
        notes: lines for the log: what was inferred, such as which columns hold labels where the config names none.
        inferred: the same as values of knobs, by their dotted paths.
    """

    splits: dict[str, datasets.Dataset]
    tasks: dict[str, Task]
    targets: dict[str, dict[str, Targets]]
    fingerprint: str
    held_out_ids: datasets.Dataset | None = None
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    inferred: Mapping[str, Any] = field(default_factory=dict)

    @property
    def held_out(self) -> tuple[str, ...]:
        """The ids of the rows taken from training for validation."""
        return () if self.held_out_ids is None else tuple(ids_of(self.held_out_ids))

    def ids(self, split: str, rows: np.ndarray | None = None) -> list[str]:
        """The ids of a split, or of some of its rows."""
        table = self.splits[split] if rows is None else self.splits[split].select(rows)
        return list(ids_of(table))

    def select(self, split: str, rows: np.ndarray) -> LabeledDataset:
        """Copy with only some rows of one split."""
        targets = {name: t.select(rows) for name, t in self.targets[split].items()}
        return replace(
            self,
            splits={**self.splits, split: self.splits[split].select(rows)},
            targets={**self.targets, split: targets},
        )


def load_tables(config: Config, only: str | None = None, known: Collection[str] = ()) -> Source:
    """Read the source of a config, whose tasks name columns.

    Args:
        only: read this split alone.
        known: columns that hold labels, besides those that the config names.
    """
    tasks, is_long = config.tasks.values(), config.data.rows == "long"
    labels = {column for task in tasks for column in named_columns(task)}
    lists = {
        task.column: task.confidence
        for task in tasks
        if isinstance(task, MultilabelConfig) and task.column is not None and (task.delimiter is None or is_long)
    }
    confidences = {name for name in lists.values() if name is not None}
    return load_source(config.data, only=only, label_columns={*labels, *confidences, *known}, lists=lists)


def read_dataset(config: Config) -> LabeledDataset:
    """Read and check the source of a config.

    Raises:
        UserError: everything that is wrong with its files, columns and cells.
    """
    labelled, problems = read_labels(config)
    if problems:
        raise UserError(problems)
    return complete(labelled, config)


def read_labels(config: Config) -> tuple[LabeledDataset, list[str]]:
    """Read the source of a config as far as possible, and what is wrong with rows and cells; wrong cells are masked.

    Raises:
        UserError: the source cannot be read, or it has no training rows.
    """
    data = config.data
    source = load_tables(config)
    problems = list(source.row_problems)
    splits = {name: source.splits[name] for name in ("train", "validation", "test") if name in source.splits}
    if not len(splits.get("train", ())):
        no_rows = f"data.source: {data.source} has no training rows; it has the splits {sorted(splits)}"
        raise UserError([*problems, no_rows])
    beside = {column for column in (source.id_column, data.group_column, data.fold_column) if column}
    reserved = {"id", "image", source.image_column} | beside
    reader = LabelReader(splits, reserved, source.origins)
    tasks = reader.find_tasks(config.tasks)
    targets = {
        split: {name: reader.read_targets(task, split) for name, task in tasks.items()} if split != "test" else {}
        for split in splits
    }
    problems += reader.problems + _without_labels(targets["train"])
    problems += overflow_problems(config.tasks, targets["train"])
    notes = (*source.notes, *reader.notes, *reader.describe_missing(), *_describe_test(splits, tasks))
    inferred = {**source.inferred, **reader.inferred}
    return LabeledDataset(splits, tasks, targets, source.fingerprint, notes=notes, inferred=inferred), problems


def complete(labelled: LabeledDataset, config: Config) -> LabeledDataset:
    """Hold rows out where there is no validation split, and fit what depends on the training split.

    Raises:
        UserError: there is nothing to hold out, or `select_by` cannot be computed.
    """
    data, splits = config.data, labelled.splits
    if not len(splits.get("validation", ())):
        labelled = hold_out(labelled, data)
    elif data.fold is not None:
        raise UserError(f"data.fold: {data.source} has a validation split, so nothing is held out; leave fold out")
    elif data.group_column is not None:
        labelled = replace(labelled, notes=(*labelled.notes, *holdout.shared_groups(splits, data.group_column)))
    labelled = fit_scales(labelled)
    check_selection_metric(labelled, config.select_by)
    pa.default_memory_pool().release_unused()  # Arrow would keep it for more tables, and a run reads no more
    return labelled


def _without_labels(targets: Mapping[str, Targets]) -> list[str]:
    return [
        f"tasks.{name}: no row of the training split has a label for it; check its columns"
        for name, labels in targets.items()
        if not labels.mask.any()
    ]


def _describe_test(splits: Mapping[str, datasets.Dataset], tasks: Mapping[str, Task]) -> list[str]:
    """Say of which tasks the test split has columns, which are not read: they may be placeholders. A line at most."""
    there = set(splits["test"].column_names) if "test" in splits else set()
    names = [name for name, task in tasks.items() if there & set(task.columns)]
    return [f"test: its labels of {', '.join(names)} are not read; mtl-accel evaluate reads them"] if names else []


def overflow_problems(configs: Mapping[str, TaskConfig], targets: Mapping[str, Targets]) -> list[str]:
    """Name training numbers whose squared error float32 cannot hold: the loss would be infinite at the first step."""
    found = []
    for name, labels in targets.items():
        config = configs[name]
        if isinstance(config, RegressionConfig) and not config.standardise and config.loss.name == "mse":
            largest = np.abs(labels.target).max(axis=0, initial=0.0)
            found += [
                f"tasks.{name}: column {column!r} reaches {value:g}, and float32 holds no square of more than "
                f"{_MAX_SQUARED:.1g}, so the loss would be infinite; set tasks.{name}.standardise to true, or give the "
                "column in another unit"
                for column, value in zip(config.columns, largest.tolist(), strict=True)
                if value > _MAX_SQUARED
            ]
    return found


def fit_scales(labelled: LabeledDataset) -> LabeledDataset:
    """Fit the scale of each standardised regression task to the training split, with a line for the log."""
    tasks, notes = dict(labelled.tasks), list(labelled.notes)
    for name, task in labelled.tasks.items():
        if task.scale is not None:
            scale = Scale.fit(*labelled.targets["train"][name], log1p=task.scale.log1p)
            tasks[name] = replace(task, scale=scale)
            numbers = zip(task.columns, scale.mean, scale.std, strict=True)
            of = "log(1 + value)" if scale.log1p else "value"
            columns = ", ".join(f"{column} (mean {mean:g}, std {std:g})" for column, mean, std in numbers)
            notes.append(f"{name}: learns the standardised {of} of {columns}")
    return replace(labelled, tasks=tasks, notes=tuple(notes))


def check_selection_metric(labelled: LabeledDataset, select_by: str) -> None:
    """Check that validation has the labels that `select_by` needs; else it is NaN, and no epoch could be the best.

    Raises:
        UserError: it has not.
    """
    problems = []
    for name, task in labelled.tasks.items():
        chosen = task.metric if select_by == "mean" else select_by
        target, mask = labelled.targets["validation"][name]
        if not chosen.startswith(f"{name}/"):
            continue
        missing = None if mask.any() else "a label"
        if chosen == f"{name}/map" and not (mask & (target > 0)).any():
            missing = "a 1"  # average precision is a mean over them
        if missing:
            problems.append(
                f"select_by: {select_by!r} cannot be computed, as no row of the validation split has {missing} for "
                f'tasks.{name}; add some, or select by another metric or by "loss"'
            )
    if problems:
        raise UserError(problems)


def hold_out(labelled: LabeledDataset, data: DataConfig) -> LabeledDataset:
    """Take part of the training rows for validation, each class and set of labels in proportion.

    Raises:
        UserError: a column is not there, or one of the two splits would be empty.
    """
    strata = [np.where(t.mask, t.target, -1).astype(np.int32).reshape(len(t.mask), -1) for t in _stratified(labelled)]
    chosen = holdout.choose_validation(labelled.splits["train"], strata, data)
    train = labelled.select("train", np.flatnonzero(~chosen))
    validation = labelled.select("train", np.flatnonzero(chosen))
    return replace(
        train,
        splits={**train.splits, "validation": validation.splits["train"]},
        targets={**train.targets, "validation": validation.targets["train"]},
        held_out_ids=validation.splits["train"].select_columns(["id"]),
    )


def _stratified(labelled: LabeledDataset) -> list[Targets]:
    """The targets that a hold-out keeps in proportion: classes first, then labels; numbers have no strata."""
    order = ["multiclass", "ordinal", "multilabel"]
    tasks = sorted((t for t in labelled.tasks.values() if t.kind in order), key=lambda t: order.index(t.kind))
    train = labelled.targets["train"]
    size = len(labelled.splits["train"])
    return [train[t.name] for t in tasks] or [Targets(np.zeros(size, np.int64), np.ones(size, bool))]
