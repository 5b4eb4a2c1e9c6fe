"""A config for a data set that nobody has described: a guess at every task, with its reason, to start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import torch

from ....config import Config, validate
from ....config.sections.data import DataConfig
from ....core import atomic_io
from ....core.errors import UserError, shorten
from ....data.sources.load import Source, load_source
from ....models import MODELS
from ..findings import Finding, note, table
from .columns import Column
from .groups import with_groups
from .images import sample_images, suggest_transforms
from .roles import roles_of_columns
from .tasks import suggest_tasks, valid_name

_MODEL, _WEIGHTS = "resnet18_relu_linear", "IMAGENET1K_V1"
_BATCH_SIZES = ((100, 8), (500, 16), (5000, 32))  # up to so many training rows
_LARGEST_BATCH = 64
_MAX_LONG_COLUMNS = 8  # each of them is tried for labels in several rows of an image


@dataclass(frozen=True)
class Suggestion:
    """A config, and one line for each guess, with its reason.

    Attributes:
        raw: the content of the file, without defaults.
        columns: every column of the training table.
    """

    config: Config
    raw: Mapping[str, Any]
    notes: tuple[str, ...]
    columns: tuple[Column, ...]

    def write(self, path: Path) -> None:
        """Write the config. Raises UserError if there is such a file, or it cannot be written."""
        if path.exists():
            raise UserError(f"--write: {path} exists; give the name of a new file")
        with atomic_io.storage_errors(path):
            atomic_io.make_folder(path.parent)
            atomic_io.write_json(path, dict(self.raw))

    def finding(self) -> Finding:
        """All guesses, for the page."""
        rows = [(column.name, column.role, column.reason) for column in self.columns]
        return note(
            "suggestion",
            f"A config is suggested, with the tasks {', '.join(self.config.tasks)}",
            "It is a guess to start from. " + ". ".join(self.notes),
            tables=(table("Columns and what they probably are", ("column", "role", "reason"), rows, num_words=3),),
            values={"config": dict(self.raw)},
        )


def suggest_config(source: str | Path | DataConfig, path: str | Path = "config.json") -> Suggestion:
    """Suggest a config for a source, from its columns, its number of rows and a sample of its pictures.

    Args:
        source: as in data.source, or the section `data` with all that is known of it.
        path: where the config will lie, for the command in its description.

    Raises:
        UserError: the source cannot be read, or no column of it looks like labels.
    """
    data = source if isinstance(source, DataConfig) else DataConfig(source=str(source))
    loaded = _load(data)
    train = _training_rows(data, loaded)
    used = {"id", "image", data.group_column, data.fold_column, data.id_column}
    columns = with_groups(train, roles_of_columns(train, [name for name in train.column_names if name not in used]))
    tasks, task_notes = suggest_tasks(columns)
    if not tasks:
        left = [f"column {column.name!r}: {column.reason}" for column in columns]
        none = f"data.source: no column of {data.source} looks like labels; name them in a config"
        raise UserError([none, *shorten(left, "columns")])
    data_section, data_notes = _data_section(data, loaded, columns)
    images, image_notes = _image_sections(train)
    run, run_notes = _run_sections(len(train))
    command = f"mtl-accel train --config {path}"
    raw = {
        "description": f"Suggested from the columns of {data.source}, to start from. {command}",
        "run_dir": f"runs/{valid_name(Path(data.source).expanduser().resolve().name) or 'run'}",
        "data": data_section | images.pop("data"),
        "tasks": tasks,
        **images,
        **run,
    }
    notes = [*loaded.notes, *data_notes, *task_notes, *_left_out(columns), *image_notes, *run_notes]
    return Suggestion(validate(raw, "the suggested config"), raw, tuple(notes), tuple(columns))


def _load(data: DataConfig) -> Source:
    """Load the source, also where rows repeat an image and one column, no other, holds a label of it in each."""
    loaded = load_source(data)
    if not loaded.row_problems or data.rows is not None or "train" not in loaded.splits:
        return loaded
    names = [name for name in loaded.splits["train"].column_names if name not in ("id", "image")]
    if len(names) > _MAX_LONG_COLUMNS:
        return loaded
    others = [load_source(data, lists={name: None}) for name in names]
    found = [other for other in others if not other.row_problems]
    return found[0] if len(found) == 1 else loaded


def _training_rows(data: DataConfig, loaded: Source) -> datasets.Dataset:
    """The training split. Raises UserError if there is none, or for the problems of its rows."""
    problems = list(loaded.row_problems)
    train = loaded.splits.get("train", ())
    if not len(train):
        problems.append(f"data.source: {data.source} has no training rows; it has {', '.join(loaded.splits) or 'none'}")
    if problems:
        raise UserError(problems)
    return train


def _data_section(data: DataConfig, source: Source, columns: Sequence[Column]) -> tuple[dict[str, Any], list[str]]:
    """The section `data`: what is known, with the column of folds or of groups that was found."""
    section = {"source": data.source} | data.model_dump(mode="json", exclude_defaults=True)
    folds = [column for column in columns if column.role == "fold"]
    groups = [column for column in columns if column.role == "group"]
    is_split = bool(len(source.splits.get("validation", ()))) or data.folds is not None or data.fold_column is not None
    if len(folds) == 1 and not is_split and data.group_column is None:
        fold = {"fold_column": folds[0].name, "fold": folds[0].options["fold"]}
        return section | fold, [f"data.fold_column: {folds[0].name!r}, {folds[0].reason}"]
    if data.group_column is not None or data.fold_column is not None:
        return section, []
    if len(groups) > 1:
        names = " or ".join(repr(column.name) for column in groups)
        return section, [f"data.group_column: {names} may hold groups, whose rows must stay together; name one of them"]
    if len(groups) == 1:
        return section | {"group_column": groups[0].name}, [
            f"data.group_column: {groups[0].name!r}, {groups[0].reason}"
        ]
    return section, []


def _left_out(columns: Sequence[Column]) -> list[str]:
    """A line for each column that is no part of a task."""
    left = [f"left out: column {column.name!r}: {column.reason}" for column in columns if column.role == "nothing"]
    return shorten(left, "columns are left out")


def _image_sections(train: datasets.Dataset) -> tuple[dict[str, Any], list[str]]:
    """The sections `transforms`, and what `data` says about pictures."""
    sample = sample_images(train)
    if not len(sample.sizes):
        raise UserError(f"data.source: none of {sample.num_broken} images that were tried can be decoded")
    transforms, reason = suggest_transforms(sample.sizes)
    notes = [f"transforms: {reason}; flipped left to right at random, which is wrong for text and sides of a body"]
    if not sample.num_broken:
        return {"transforms": transforms, "data": {}}, notes
    notes.append(
        f'data.on_bad_image: "skip", since {sample.num_broken} of {len(sample.sizes) + sample.num_broken} images that '
        "were tried cannot be decoded; their rows are left out and listed"
    )
    return {"transforms": transforms, "data": {"on_bad_image": "skip"}}, notes


def _run_sections(num_rows: int) -> tuple[dict[str, Any], list[str]]:
    """Model, optimizer and schedule of configs/quickstart.json, and a batch size for so many training rows."""
    batch_size = next((size for limit, size in _BATCH_SIZES if num_rows <= limit), _LARGEST_BATCH)
    url = MODELS[_MODEL].pretrained[_WEIGHTS].url
    is_cached = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2]).is_file()
    weights = _WEIGHTS if is_cached else None
    return {
        "epochs": 5,
        "batch_size": batch_size,
        "model": {"name": _MODEL, "weights": weights},
        "optimizer": {"name": "AdamW", "lr": 0.002},
        "scheduler": {"name": "OneCycleLR"},
    }, [
        f"batch_size: {batch_size}, for {num_rows} training rows",
        f"model.weights: {_WEIGHTS}, which lie in the cache of this machine"
        if is_cached
        else f"model.weights: null, random ones; with a network, --model.weights {_WEIGHTS} learns more from few rows",
        "epochs, optimizer and scheduler: those of configs/quickstart.json, for a first run",
    ]
