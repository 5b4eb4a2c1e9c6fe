"""What gives a label away: file names, other columns, and properties of the files that a network may learn instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ....core.tasks import Task
from ....data.labels.reader import Targets
from ....data.sources.splits import column_of
from ..findings import Finding, Severity, table
from ..survey import Survey

_MIN_SHARE = 0.8  # of the errors of always taking the most frequent class that a property must spare
_MIN_ROWS = 10  # with a label, and as many without it
_MAX_LABELS = 100  # of a task that are looked at, the most frequent ones
_PER_VALUE = 3  # rows for each value, on average, below which a column is an id
_OF_FILES = ("size of the picture", "mode of the picture", "format of the file")


class _Giveaway(NamedTuple):
    task: str
    label: str
    property: str
    share: float


def check_giveaways(survey: Survey) -> Iterator[Finding]:
    """Properties from which a label can be told without a look at the picture, over the training split."""
    if survey.labelled is None or "train" not in survey.labelled.targets:
        return
    properties = {**_file_properties(survey), **other_columns(survey, "train"), **_name_prefixes(survey)}
    found: list[_Giveaway] = []
    for name, values in properties.items():
        codes, num_values = _codes(values)
        if 1 < num_values <= len(codes) / _PER_VALUE:
            for task in survey.labelled.tasks.values():
                found += _told_labels(task, survey.labelled.targets["train"][task.name], name, codes, num_values)
    of_files = [giveaway for giveaway in found if giveaway.property in _OF_FILES]
    others = [giveaway for giveaway in found if giveaway.property not in _OF_FILES]
    if of_files:
        text = "A network may learn this instead of what the picture shows: a size can be seen in the sharpness after "
        text += "resizing, a format in its traces. Mix the sources of the classes, or save all pictures alike."
        yield _finding(Severity.WARNING, "Properties of the files tell labels", text, of_files)
    if others:
        text = "The network does not see them. But what named the files or filled the column may have put its label on "
        text += "more than names, and splits should not cut through it."
        yield _finding(Severity.NOTE, "File names or other columns tell labels", text, others)


def _finding(severity: Severity, title: str, text: str, found: list[_Giveaway]) -> Finding:
    rows = [(g.property, g.task, g.label, f"{g.share:.0%}") for g in sorted(found, key=lambda g: -g.share)]
    head = ("property", "task", "label", "errors spared")
    caption = "Share of the errors of always taking the most frequent class that the property spares"
    return Finding(severity, "giveaways", title, text, tables=(table(caption, head, rows, num_words=3),))


def _told_labels(task: Task, targets: Targets, name: str, codes: np.ndarray, num_values: int) -> Iterator[_Giveaway]:
    """Labels of a task that a property tells, whose values are `codes` (int64 [N])."""
    if task.is_single_label:
        share = _spared(codes[targets.mask], targets.target[targets.mask], num_values, len(task.classes))
        if share >= _MIN_SHARE:
            yield _Giveaway(task.name, "", name, share)
    elif task.kind == "multilabel":
        ones = np.count_nonzero(targets.mask & (targets.target > 0), axis=0)
        for index in np.argsort(-ones, kind="stable")[:_MAX_LABELS]:
            known = targets.mask[:, index]
            if min(ones[index], known.sum() - ones[index]) >= _MIN_ROWS:
                labels = (targets.target[known, index] > 0).astype(np.int64)
                share = _spared(codes[known], labels, num_values, 2)
                if share >= _MIN_SHARE:
                    yield _Giveaway(task.name, task.classes[index], name, share)


def _spared(codes: np.ndarray, labels: np.ndarray, num_values: int, num_classes: int) -> float:
    """Goodman and Kruskal's lambda of labels by values, both int64 [N]; a value of one row tells nothing."""
    counts = np.bincount(codes * num_classes + labels, minlength=num_values * num_classes).reshape(num_values, -1)
    right = counts.max(axis=1)[counts.sum(axis=1) > 1].sum()
    most_frequent = counts.sum(axis=0).max(initial=0)
    return float((right - most_frequent) / max(len(labels) - most_frequent, 1))


def _codes(values: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, int]:
    """Number of each cell's value: int64 [N], and how many there are; blank is a value, too."""
    encoded = pc.dictionary_encode(values, null_encoding="encode")
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), len(encoded.dictionary)


def other_columns(survey: Survey, split: str) -> dict[str, pa.ChunkedArray]:
    """Columns of a split with one value a row that neither are labels nor say how rows are split."""
    assert survey.labelled is not None
    data, rows = survey.config.data, survey.labelled.splits[split]
    labels = {column for task in survey.labelled.tasks.values() for column in task.columns}
    used = {"id", "image", data.split_column, data.fold_column, *labels}
    types = (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_boolean)
    fields = rows.data.table.schema
    chosen = [f.name for f in fields if f.name in rows.column_names and any(is_type(f.type) for is_type in types)]
    return {name: column_of(rows, name) for name in chosen if name not in used}


def _file_properties(survey: Survey) -> Mapping[str, pa.Array]:
    if survey.scan is None:
        return {}
    train = survey.splits["train"]
    sizes = [f"{width} x {height}" for width, height in survey.scan.sizes[train].tolist()]
    values = (sizes, survey.scan.modes[train], survey.scan.formats[train])
    return {name: pa.array(column) for name, column in zip(_OF_FILES, values, strict=True)}


def _name_prefixes(survey: Survey) -> Mapping[str, pa.Array]:
    """What the files' names begin with, before the first digit or sign."""
    assert survey.labelled is not None
    paths = pc.struct_field(column_of(survey.labelled.splits["train"], "image"), "path").to_pylist()
    names = [re.match(r"[^\W\d_]*", path.rpartition("/")[2] if path else "") for path in paths]
    return {"beginning of the file's name": pa.array([match[0].casefold() if match else "" for match in names])}
