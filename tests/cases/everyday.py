"""Small folders and columns as people have them, and what reading each of them gives.

The folders are written from one table of 24 garments.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from PIL import Image
from pydantic import TypeAdapter

from mtl_accel import config as config_module
from mtl_accel.config.sections.tasks import TaskConfig
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.dataset import LabeledDataset, read_dataset
from mtl_accel.data.labels.reader import LabelReader, Targets

SIZE = 24
NAMES = [f"{n:03}.png" for n in range(SIZE)]
COLUMNS: dict[str, Sequence[str]] = {
    "filename": NAMES,
    "category": ["xyz"[n % 3] for n in range(SIZE)],
    "a": [str(n % 2) for n in range(SIZE)],
    "b": [str(n // 2 % 2) for n in range(SIZE)],
}
CATEGORY = {"category": {"kind": "multiclass", "column": "category"}}
ATTRIBUTE = {"attribute": {"kind": "multilabel"}}
TASKS = {**CATEGORY, **ATTRIBUTE}
SHAPE = [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}]
NEEDED = {"optimizer": {"name": "SGD", "lr": 0.1}, "transforms": {"train": SHAPE, "eval": SHAPE}}


def columns(without: str = "", first: Mapping[str, Sequence[str]] | None = None, **changed: Sequence[str]) -> dict:
    """The columns of the garments, some of them changed or added, `first` before all others."""
    kept = {name: cells for name, cells in COLUMNS.items() if name not in without.split()}
    return {**(first or {}), **kept, **changed}


def text(delimiter: str = ",", header: bool = True, rows: slice = slice(None), **changed: Any) -> str:
    """The garments as a text table; the arguments are those of `columns`."""
    table = columns(**changed)
    lines = [list(table)] * header + [list(cells) for cells in list(zip(*table.values(), strict=True))[rows]]
    return "".join(delimiter.join(line) + "\n" for line in lines)


@dataclass(frozen=True)
class Folder:
    """A folder `data` in a place of its own, the config of a run on it, and what should come of it.

    Attributes:
        files: tables by their path beside `data`; text, or bytes.
        images: files of images, by their path beside `data`.
        links: symbolic links, by path, to another path.
        data: keys of the section `data`; `{root}` in a text is the place.
        rows: of each split, before any row is held out.
        classes: of the task `category`.
        labels: of the task `attribute`.
        log: parts of lines in the log.
        error: parts of the error, where there must be one.
    """

    name: str
    files: Mapping[str, str | bytes]
    images: Sequence[str] = tuple(f"data/{name}" for name in NAMES)
    links: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Any] = field(default_factory=lambda: TASKS)
    rows: Mapping[str, int] = field(default_factory=lambda: {"train": SIZE})
    classes: Sequence[str] = ("x", "y", "z")
    labels: Sequence[str] = ("a", "b")
    log: Sequence[str] = ()
    error: Sequence[str] = ()

    def write(self, root: Path) -> None:
        for path, content in self.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content.encode() if isinstance(content, str) else content)
        for index, path in enumerate(self.images):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            colour = (index * 9 % 256, index * 31 % 256, index * 7 % 256)
            Image.new("RGB", (8, 8), colour).save(root / path, "PNG")
        for path, to in self.links.items():
            (root / path).symlink_to(root / to)

    def config(self, root: Path) -> config_module.Config:
        data = {"source": "{root}/data", "cache_dir": "{root}/cache", "num_workers": 0, **self.data}
        run = {"run_dir": str(root / "run"), "data": _placed(data, root), "tasks": dict(self.tasks)}
        return config_module.validate({**run, **NEEDED}, self.name)

    def read(self, root: Path) -> LabeledDataset:
        self.write(root)
        return read_dataset(self.config(root))


def _placed(value: Any, root: Path) -> Any:
    if isinstance(value, str):
        return value.replace("{root}", str(root))
    if isinstance(value, Mapping):
        return {key: _placed(inner, root) for key, inner in value.items()}
    return [_placed(inner, root) for inner in value] if isinstance(value, list) else value


def check(folder: Folder, root: Path) -> None:
    """Read a folder and compare what comes of it with what should."""
    try:
        found = folder.read(root)
    except UserError as error:
        missing = [part for part in folder.error if part not in str(error)]
        assert folder.error and not missing, f"{error}\n\nlacks {missing}"
        return
    assert not folder.error, f"it was read, with the notes {found.notes}"
    sizes = {split: len(rows) for split, rows in found.splits.items()}
    if found.held_out_ids is not None:
        sizes["train"] += sizes.pop("validation")
    assert sizes == folder.rows
    if "category" in found.tasks:
        assert found.tasks["category"].classes == tuple(folder.classes)
    if "attribute" in found.tasks:
        assert found.tasks["attribute"].classes == tuple(folder.labels)
    log = "\n".join(found.notes)
    assert [part for part in folder.log if part not in log] == [], log


def decomposed(name: str) -> str:
    """A name in the Unicode normal form in which a Mac writes it."""
    return unicodedata.normalize("NFD", name)


class Found:
    """A task named "it", its targets, and what the reader says."""

    def __init__(self, config: dict, train: dict[str, list], **others: dict[str, list]) -> None:
        splits = {
            name: datasets.Dataset.from_dict(
                {"id": [f"{row}.png" for row in range(len(next(iter(table.values()))))], **table}
            )
            for name, table in ({"train": train} | others).items()
        }
        self.reader = LabelReader(splits, {"id", "image"})
        tasks = self.reader.find_tasks({"it": TypeAdapter(TaskConfig).validate_python(config)})
        self.task: Task = tasks["it"]
        self.targets: dict[str, Targets] = {name: self.reader.read_targets(self.task, name) for name in splits}
        self.problems = self.reader.problems
        self.notes = [*self.reader.notes, *self.reader.describe_missing()]

    def values(self, split: str = "train") -> list:
        """The targets, with None where there is no label."""
        target, mask = self.targets[split]
        return np.where(mask, target, None).tolist()
