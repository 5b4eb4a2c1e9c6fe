"""Run folders as they lie on the disk: config, status, epochs and environment of finished, running and failed runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ...config import Config, validate
from ...config.inferences import split_given
from ...config.rules.plugin_uses import plugins_required
from ...config.saved import upgraded
from ...config.sections.tasks import primary_metric
from ...core import atomic_io
from ...core.errors import UserError
from ...core.tasks import Task
from ...metrics.registry import lower_is_better
from ...metrics.selection import composite
from ...runs import lock, rows
from ...runs.rows import Conflict, End, Environment, Epoch, Status

COMPOSITE = "composite"  # the mean of the tasks' primary metrics, under the name of a metric


class Gap(NamedTuple):
    """How much better a run is on its training images than on validation: the overfitting, in the metric's unit."""

    train: float
    validation: float
    size: float


@dataclass(frozen=True)
class RunRecord:
    """Contents of a run folder. `name` is the folder's, with as much of its path as tells it from the others.

    `config` is as it was given, and `inferred` what reading the data found for knobs that it leaves open.
    """

    name: str
    folder: Path
    config: Config
    status: Status
    environment: Environment
    epochs: tuple[Epoch, ...]
    conflicts: tuple[Conflict, ...]
    end: End
    inferred: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tasks(self) -> dict[str, Task]:
        """Tasks by name, without their classes, which only the finished model knows."""
        return {n: Task(n, t.kind, (), (), primary_metric(t), t.weight) for n, t in self.config.tasks.items()}

    @property
    def primary_metrics(self) -> list[str]:
        """Full names, such as ["category/accuracy", "attribute/f1_macro"]."""
        return [task.metric for task in self.tasks.values()]

    def values(self, split: str, metric: str) -> dict[int, float]:
        """Values of a metric, or of COMPOSITE, on "train" or "validation" by epoch; what is no number is left out."""
        values: dict[int, float] = {}
        for row in self.epochs:
            figures = {k: v for k, v in (getattr(row, split) or {}).items() if v is not None}
            has_all = metric == COMPOSITE and all(name in figures for name in self.primary_metrics)
            value = composite(figures, self.tasks) if has_all else figures.get(metric)
            if value is not None and math.isfinite(value):
                values[row.epoch] = value
        return values

    def best(self, metric: str) -> tuple[int, float] | None:
        """Epoch and value of the best validation, the first of equals."""
        values = self.values("validation", metric)
        if not values:
            return None
        epoch = (min if lower_is_better(metric) else max)(values, key=lambda e: values[e])
        return epoch, values[epoch]

    def gap(self, metric: str) -> Gap | None:
        """Overfitting in the last epoch; None where it lacks one of the two figures."""
        last = self.epochs[-1].epoch if self.epochs else 0
        train, validation = (self.values(split, metric).get(last) for split in ("train", "validation"))
        if train is None or validation is None:
            return None
        return Gap(train, validation, validation - train if lower_is_better(metric) else train - validation)

    @property
    def best_epoch(self) -> int | None:
        """Epoch that the config selects: that of the finished model."""
        best = self.best(self.selection_metric)
        return best[0] if best else None

    @property
    def selection_metric(self) -> str:
        """Metric, or COMPOSITE, by which the config selects the best epoch."""
        return COMPOSITE if self.config.select_by == "mean" else self.config.select_by

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a whole epoch; before one has ended, the last step that the conflict meter measured."""
        images = [(row.images_per_second or 0.0) * (row.seconds or 0.0) for row in self.epochs]
        trained = math.ceil(round(max(filter(math.isfinite, images), default=0.0)) / self.config.samples_per_step)
        return max([trained, *(row.step for row in self.conflicts)])

    @property
    def seconds(self) -> float:
        """Seconds of training, over all epochs."""
        return sum(row.seconds or 0.0 for row in self.epochs)

    @property
    def state(self) -> str:
        """Status, or "killed" for a run of this host that says "running" and whose process is gone."""
        status = self.status
        is_gone = status.status == "running" and not lock.may_live(status.host, status.pid)
        return "killed" if is_gone else status.status


def read_runs(folders: Sequence[str | Path]) -> list[RunRecord]:
    """Read the runs of some folders, in that order; a folder that is given twice counts once.

    Raises:
        UserError: every folder that holds no run, and every file of a run that cannot be read.
    """
    paths = list(dict.fromkeys(Path(folder).expanduser().resolve() for folder in folders))
    records, problems = [], [] if paths else ["no run was given; give the folders of runs, such as runs/v4 runs/v5"]
    for path, name in zip(paths, distinct_names(paths), strict=True):
        try:
            records.append(_read_run(path, name))
        except UserError as error:  # noqa: PERF203 (all folders' problems are reported at once)
            problems += error.problems
    if problems:
        raise UserError(problems)
    return records


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of different absolute paths that tell all of them apart: "v5", or "monday/v5"."""
    found = []
    for path in paths:
        others = [other.parts for other in paths if other != path]
        length = 1
        while length < len(path.parts) and any(other[-length:] == path.parts[-length:] for other in others):
            length += 1
        found.append(str(Path(*path.parts[-length:])))
    return found


def _read_run(folder: Path, name: str) -> RunRecord:
    path = folder / "config.json"
    if not path.is_file():
        what = "holds no config.json" if folder.is_dir() else "is no folder"
        raise UserError(f"{folder}: {what}, and so is no run; give the folder of a run, such as runs/v5")
    raw = atomic_io.read_json(path)
    if not isinstance(raw, dict):
        raise UserError(f"{path}: holds no object; restore the file, or leave this run out")
    given, inferred = split_given(upgraded(raw), folder)
    with plugins_required(folder):
        config = validate(given, str(path))
    log = rows.read_log(folder / "log.jsonl")
    return RunRecord(
        name=name,
        folder=folder,
        config=config,
        status=rows.read_object(Status, folder / "status.json"),
        environment=rows.read_object(Environment, folder / "environment.json"),
        epochs=log.epochs,
        conflicts=log.conflicts,
        end=log.end,
        inferred=inferred,
    )


def shared_metrics(records: Sequence[RunRecord]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the primary metrics that all runs have, and each other one with the names of the runs that lack it."""
    metrics = dict.fromkeys(metric for record in records for metric in record.primary_metrics)
    lacking = {m: [record.name for record in records if m not in record.primary_metrics] for m in metrics}
    return [m for m in metrics if not lacking[m]], {m: names for m, names in lacking.items() if names}
