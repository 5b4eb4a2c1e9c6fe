"""A split with its labels as a finished model knows them: no other split is needed, and no class is found anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import datasets

from ...config import Config
from ...core.errors import UserError
from ...core.tasks import Task
from .dataset import LabeledDataset, hold_out, load
from .reader import LabelReader, Targets


def read(config: Config, tasks: Mapping[str, Task], split: str) -> tuple[datasets.Dataset, dict[str, Targets]]:
    """A split with the columns `id` and `image`, and its targets.

    Args:
        tasks: of the model, in its order. A task that the split has no column for is masked.
        split: "validation" is held out of training where the source has none, the same rows as in training.

    Raises:
        UserError: the source has no such split or no labels in it, or labels that the model does not know.
    """
    data = config.data
    problems: list[str] = []
    only = split if split == "test" else None  # the other two are made of one another
    found = load(data, only=only, problems=problems)
    splits = {name: table for name, table in found.splits.items() if len(table)}
    held_out = split != "test" and "train" in splits and "validation" not in splits
    if split not in splits and not held_out:
        no_rows = f"data.source: {data.source} has no rows in a split {split!r}; it has {', '.join(splits) or 'none'}"
        raise UserError([*problems, no_rows])
    origin = "train" if held_out else split
    reader = LabelReader({origin: splits[origin]}, set(), found.origins)
    targets = _targets(reader, tasks, origin, problems)
    labelled = LabeledDataset({origin: splits[origin]}, dict(tasks), {origin: targets}, found.fingerprint)
    if held_out:
        labelled = hold_out(labelled, data.validation_fraction, config.seed)
    if not any(labels.mask.any() for labels in labelled.targets[split].values()):
        columns = ", ".join(column for task in tasks.values() for column in task.columns)
        raise UserError(
            f"data.source: the split {split!r} of {data.source} has no labels in the columns that the model was "
            f"trained on ({columns}), so there is nothing to compare its answers with"
        )
    return labelled.splits[split], labelled.targets[split]


def _targets(reader: LabelReader, tasks: Mapping[str, Task], split: str, of_rows: Sequence[str]) -> dict[str, Targets]:
    """The targets of a split. Raises UserError for wrong labels, and for what is known to be wrong with its rows."""
    targets = {name: reader.targets(task, split) for name, task in tasks.items()}
    problems = [*of_rows, *reader.problems]
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
            if task.kind == "multiclass" or task.columns != task.classes
        ]
    if problems:
        raise UserError(problems)
    return targets
