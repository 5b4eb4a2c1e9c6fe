"""Runs side by side as data frames: one row a run, and mean and deviation over seeds."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import pandas as pd

from ...config.base import NAME
from ...config.differences import knobs_that_affect
from ...config.inferences import with_values
from ...core.errors import UserError
from .runs import COMPOSITE, RunRecord, read_runs

# Columns that say what a run is and how far it is; all others hold figures.
_IDENTITY = ["run", "folder", "config", "seed", "status", "epochs"]


def compare(runs: Iterable[str | Path]) -> pd.DataFrame:
    """Compare run folders, one row a run in the order given.

    Columns: `run` (the folder's name), `folder`, `config` (the same for runs that differ only by their seed), `seed`,
    `status`, `epochs`; `best_epoch` (the one that `select_by` chooses) and, of that epoch, `composite` (the mean of
    the tasks' primary metrics) and every validation metric by its name, such as `category/accuracy`; for each primary
    metric `<metric>_best` and `<metric>_best_epoch`; `<metric>_cross_fitted` with thresholds fitted on other rows;
    `images_per_second` (the median over epochs) and `seconds` of training. What a run lacks is NaN.

    Raises:
        UserError: a folder that holds no run, or files of a run that cannot be read.
    """
    return comparison_frame(read_runs(list(runs)))


def comparison_frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return what `compare` does, of runs that are read already."""
    configs = _config_names(records)
    frame = pd.DataFrame([_row(record, config) for record, config in zip(records, configs, strict=True)])
    # Where no run has a value pandas would see objects, of which it takes no mean.
    kinds = {name: "Int64" if name.endswith("epoch") else "float64" for name in frame.columns if name not in _IDENTITY}
    return frame.astype(kinds)


def summary(frame: pd.DataFrame, by: str = "config") -> pd.DataFrame:
    """Return mean and sample standard deviation of every figure over the rows that have the same `by`.

    Args:
        frame: what `compare` gives.

    Returns: one row a group in the frame's order: `runs` (how many), then `<figure>_mean` and `<figure>_std`; the
        deviation of a single run is NaN.

    Raises:
        UserError: the frame has no such column.
    """
    if by not in frame.columns:
        raise UserError(f"by: {by!r} is no column of the comparison; it has {', '.join(frame.columns)}")
    figures = [name for name in frame.columns if name not in (*_IDENTITY, by) and not name.endswith("best_epoch")]
    groups = frame.groupby(by, sort=False, dropna=False)
    parts = [groups.size().rename("runs")]
    for name in figures:
        parts += [groups[name].mean().rename(f"{name}_mean"), groups[name].std().rename(f"{name}_std")]
    return pd.concat(parts, axis=1)


def _config_names(records: Sequence[RunRecord]) -> list[str]:
    """Name the config of each run. Runs that differ only by seed share what their own names begin with."""
    configs = _group_by_config(records)
    names: dict[int, str] = {}
    for config in dict.fromkeys(configs):
        members = [record.name for record, own in zip(records, configs, strict=True) if own == config]
        begin = "".join(letters[0] for letters in takewhile(lambda c: len(set(c)) == 1, zip(*members, strict=False)))
        shared = re.sub(r"[-_./ ]*(seed|s)?[-_=. ]*$", "", begin) if len(members) > 1 else ""
        names[config] = shared if shared and shared not in names.values() else members[0]
    return [names[config] for config in configs]


def _group_by_config(records: Sequence[RunRecord]) -> list[int]:
    """Number the configs of runs. Two are one config if they are equal as given, or with what was inferred."""
    numbers: dict[str, int] = {}
    found: list[int] = []
    for record in records:
        keys = [_without_seed(record, {}), _without_seed(record, record.inferred)]
        number = next((numbers[key] for key in keys if key in numbers), len(found))
        numbers |= dict.fromkeys(keys, number)
        found.append(number)
    return found


def _without_seed(record: RunRecord, inferred: Mapping[str, Any]) -> str:
    knobs = with_values(record.config.model_dump(mode="json", by_alias=True), {"seed": 0, **inferred})
    return json.dumps({key: value for key, value in knobs.items() if key not in knobs_that_affect(NAME)})


def _row(record: RunRecord, config: str) -> dict[str, Any]:
    epoch = record.best_epoch
    row: dict[str, Any] = {
        "run": record.name,
        "folder": str(record.folder),
        "config": config,
        "seed": record.config.seed,
        "status": record.state,
        "epochs": len(record.epochs),
        "best_epoch": epoch,
        COMPOSITE: record.values("validation", COMPOSITE).get(epoch or 0),
    }
    chosen = next((e.validation or {} for e in record.epochs if e.epoch == epoch), {})
    row |= {**chosen, **record.end.fitted, **row}
    for metric in [COMPOSITE, *record.primary_metrics]:
        best_epoch, best = record.best(metric) or (None, None)
        row |= {f"{metric}_best": best, f"{metric}_best_epoch": best_epoch}
    # pandas 2.2 warns of a median of nothing but NaN, and not of one of nothing.
    rates = pd.Series([e.images_per_second for e in record.epochs], dtype="float64").dropna()
    return row | {"images_per_second": rates.median(), "seconds": record.seconds}
