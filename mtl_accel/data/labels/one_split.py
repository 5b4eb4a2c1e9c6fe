"""One split of a source for a finished model, without the others: to predict on, or with labels to be evaluated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import datasets

from ...config import Config
from ...core.errors import UserError
from ...core.tasks import Task
from .dataset import LabeledDataset, hold_out, load_tables
from .reader import LabelReader, Targets


class UnlabeledSplit(NamedTuple):
    """Table with the columns `id` and `image`, name of the id column in the source, and lines for the log."""

    images: datasets.Dataset
    id_name: str
    notes: tuple[str, ...]


class LabeledSplit(NamedTuple):
    """Table with the columns `id` and `image`, each task's targets, and lines for the log."""

    images: datasets.Dataset
    targets: dict[str, Targets]
    notes: tuple[str, ...]


def read_images(config: Config, split: str) -> UnlabeledSplit:
    """Read the images of a split. Labels are ignored.

    Raises:
        UserError: the source has no such split, or everything that is wrong with its ids and images.
    """
    data = config.data
    source = load_tables(config, split)
    if source.row_problems:
        raise UserError(source.row_problems)
    images = source.splits[split].select_columns(["id", "image"])
    if not len(images):
        raise UserError(f"data.source: the {split} split of {data.source} has no rows, so there is nothing to predict")
    return UnlabeledSplit(images, source.id_column or "id", source.notes)


def read_labeled_split(config: Config, tasks: Mapping[str, Task], split: str) -> LabeledSplit:
    """Read the images of a split and its targets.

    Args:
        tasks: those of the model, in its order; their classes are not looked for anew. A task that the split has no
            column for is masked.
        split: "validation" is held out of training where the source has none, the same rows as in training.

    Raises:
        UserError: the source has no such split or no labels in it, or labels that the model does not know.
    """
    data = config.data
    only = split if split == "test" else None  # train and validation may be made from each other
    source = load_tables(config, only, {column for task in tasks.values() for column in task.columns})
    splits = {name: table for name, table in source.splits.items() if len(table)}
    held_out = split != "test" and "train" in splits and "validation" not in splits
    if split not in splits and not held_out:
        no_rows = f"data.source: {data.source} has no rows in a split {split!r}; it has {', '.join(splits) or 'none'}"
        raise UserError([*source.row_problems, no_rows])
    origin = "train" if held_out else split
    reader = LabelReader({origin: splits[origin]}, set(), source.origins)
    targets = _read_targets(reader, tasks, origin, source.row_problems)
    labelled = LabeledDataset({origin: splits[origin]}, dict(tasks), {origin: targets}, source.fingerprint)
    if held_out:
        labelled = hold_out(labelled, data)
    if not any(labels.mask.any() for labels in labelled.targets[split].values()):
        columns = ", ".join(column for task in tasks.values() for column in task.columns)
        raise UserError(
            f"data.source: the split {split!r} of {data.source} has no labels in the columns that the model was "
            f"trained on ({columns}), so there is nothing to compare its answers with"
        )
    notes = (*source.notes, *reader.describe_missing())
    return LabeledSplit(labelled.splits[split], labelled.targets[split], notes)


def _read_targets(
    reader: LabelReader, tasks: Mapping[str, Task], split: str, row_problems: Sequence[str]
) -> dict[str, Targets]:
    """Read the targets of a split. Raises UserError for wrong labels and for `row_problems`."""
    reader.check_types({column for task in tasks.values() for column in task.columns})
    targets = {name: reader.read_targets(task, split) for name, task in tasks.items()}
    problems = [*row_problems, *reader.problems]
    for name, task in tasks.items():
        absent = [column for column in task.columns if not reader.has(split, column)]
        if 0 < len(absent) < len(task.columns):
            problems.append(
                f"tasks.{name}: the split {split!r} has no column {', '.join(absent)}, which the model knows; leave a "
                "column blank where nothing is labelled"
            )
    if reader.problems:
        problems += [
            f"tasks.{name}: the model knows {', '.join(task.classes)}; it cannot be scored on others"
            for name, task in tasks.items()
            if task.is_one_column
        ]
    if problems:
        raise UserError(problems)
    return targets
