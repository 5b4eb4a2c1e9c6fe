"""A source, read and checked: splits, tasks, targets, and a hold-out where there is no validation split."""

from __future__ import annotations

from dataclasses import dataclass, replace

import datasets
import numpy as np
import pyarrow as pa

from ...config import Config
from ...config.sections import DataConfig
from ...core.atomic_io import cache_dir
from ...core.errors import UserError
from ...core.tasks import Task
from ..sources.load import Sources
from ..sources.load import load as load_source
from ..sources.splits import ids_of
from ..wardrobe import wardrobe
from . import holdout
from .reader import LabelReader, Targets


@dataclass(frozen=True)
class LabeledDataset:
    """Splits with the columns `id` and `image`, and each task's targets, rows in the same order.

    The splits are memory-mapped. What an image takes in memory: its targets (9 bytes for a multiclass task, 5 for
    each output of the others) and, where rows of a split were selected, their numbers (8 bytes).
    """

    splits: dict[str, datasets.Dataset]
    tasks: dict[str, Task]
    targets: dict[str, dict[str, Targets]]
    fingerprint: str
    from_training: datasets.Dataset | None = None  # the column `id` of the rows taken from training for validation
    notes: tuple[str, ...] = ()  # lines for the log: which columns were taken as labels where a config names none

    @property
    def held_out(self) -> tuple[str, ...]:
        """The ids of the rows taken from training for validation."""
        return () if self.from_training is None else tuple(ids_of(self.from_training))

    def ids(self, split: str, rows: np.ndarray | None = None) -> list[str]:
        """The ids of a split, or of some of its rows."""
        table = self.splits[split] if rows is None else self.splits[split].select(rows)
        return list(ids_of(table))

    def select(self, split: str, rows: np.ndarray) -> LabeledDataset:
        """The same with only some rows of one split."""
        targets = {name: Targets(t.target[rows], t.mask[rows]) for name, t in self.targets[split].items()}
        return replace(
            self,
            splits={**self.splits, split: self.splits[split].select(rows)},
            targets={**self.targets, split: targets},
        )


def source_of(config: DataConfig) -> str:
    """The source's folder or Hub id; draws the wardrobe when it is asked for and not there yet."""
    if config.source != "wardrobe":
        return config.source
    sizes = config.wardrobe
    folder = wardrobe.write(
        sizes.num_train,
        sizes.num_validation,
        sizes.num_test,
        sizes.image_size,
        seed=sizes.seed,
        cache_dir=cache_dir(config.cache_dir) / "wardrobe",
        num_workers=max(config.num_workers, 1),
    )
    return str(folder)


def load(data: DataConfig, only: str | None = None, problems: list[str] | None = None) -> Sources:
    """The splits of a source, or one of them; labels are not looked at. Raises UserError as `load_source` does."""
    return load_source(
        source_of(data),
        cache_dir=cache_dir(data.cache_dir) / "tables",
        config_name=data.config_name,
        revision=data.revision,
        streaming=data.streaming,
        image_column=data.image_column,
        id_column=data.id_column,
        max_images=data.max_images,
        only=only,
        problems=problems,
    )


def read(config: Config) -> LabeledDataset:
    """Read the source of a config.

    Raises:
        UserError: everything that is wrong with its files, columns and cells.
    """
    data = config.data
    problems: list[str] = []
    found = load(data, problems=problems)
    splits = {name: found.splits[name] for name in ("train", "validation", "test") if name in found.splits}
    if not len(splits.get("train", ())):
        no_rows = f"data.source: {data.source} has no training rows; it has the splits {sorted(splits)}"
        raise UserError([*problems, no_rows])
    reserved = {"id", "image", found.image_column} | ({found.id_column} if found.id_column else set())
    reader = LabelReader(splits, reserved, found.origins)
    tasks = reader.tasks(config.tasks)
    targets = {split: {name: reader.targets(task, split) for name, task in tasks.items()} for split in splits}
    problems += reader.problems + [
        f"tasks.{name}: no row of the training split has a label for it; check its columns"
        for name in tasks
        if not targets["train"][name].mask.any()
    ]
    if problems:
        raise UserError(problems)
    labelled = LabeledDataset(splits, tasks, targets, found.fingerprint, notes=tuple(reader.notes))
    if not len(splits.get("validation", ())):
        labelled = hold_out(labelled, data.validation_fraction, config.seed)
    check_selection(labelled, config.select_by)
    pa.default_memory_pool().release_unused()  # Arrow would keep it for tables to come, and a run reads no more
    return labelled


def check_selection(labelled: LabeledDataset, select_by: str) -> None:
    """Without what it is made of in validation a metric is NaN, and no epoch could be the best. Raises UserError."""
    problems = []
    for name, task in labelled.tasks.items():
        chosen = task.metric if select_by == "mean" else select_by
        target, mask = labelled.targets["validation"][name]
        if not chosen.startswith(f"{name}/"):
            continue
        what = None if mask.any() else "a label"
        if chosen == f"{name}/map" and not (mask & (target > 0)).any():
            what = "a 1"  # average precision is a mean over them
        if what:
            problems.append(
                f"select_by: {select_by!r} cannot be computed, as no row of the validation split has {what} for "
                f'tasks.{name}; add some, or select by another metric or by "loss"'
            )
    if problems:
        raise UserError(problems)


def hold_out(labelled: LabeledDataset, fraction: float, seed: int) -> LabeledDataset:
    """Take part of the training rows for validation, each class and set of labels in proportion."""
    rows = [np.where(t.mask, t.target, -1).astype(np.int32).reshape(len(t.mask), -1) for t in strata_of(labelled)]
    chosen = holdout.split(ids_of(labelled.splits["train"]), np.concatenate(rows, axis=1), fraction, seed)
    kept, taken = np.flatnonzero(~chosen), np.flatnonzero(chosen)
    if not len(kept) or not len(taken):
        raise UserError(
            f"data.validation_fraction: {fraction} of {len(chosen)} training rows leaves {len(kept)} for training and "
            f"{len(taken)} for validation; each needs at least one"
        )
    train = labelled.select("train", kept)
    validation = labelled.select("train", taken)
    return replace(
        train,
        splits={**train.splits, "validation": validation.splits["train"]},
        targets={**train.targets, "validation": validation.targets["train"]},
        from_training=validation.splits["train"].select_columns(["id"]),
    )


def strata_of(labelled: LabeledDataset) -> list[Targets]:
    """The targets that a hold-out keeps in proportion: classes first, then labels; numbers have no strata."""
    order = ["multiclass", "multilabel"]
    tasks = sorted((t for t in labelled.tasks.values() if t.kind in order), key=lambda t: order.index(t.kind))
    train = labelled.targets["train"]
    size = len(labelled.splits["train"])
    return [train[t.name] for t in tasks] or [Targets(np.zeros(size, np.int64), np.ones(size, bool))]
