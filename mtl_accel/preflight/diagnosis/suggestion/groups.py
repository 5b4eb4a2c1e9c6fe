"""Columns that look like classes and are finer than all labels: their values are garments, patients or the like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import datasets
import numpy as np

from ....data.labels.columns import read_column
from .columns import MIN_GROUPS, Column

_MAX_GROUP_ROWS = 10  # on average


def with_groups(train: datasets.Dataset, columns: Sequence[Column]) -> list[Column]:
    """Take for groups what has few rows a value, all of them with the same labels.

    Such a column is finer than all labels: its values are garments, patients or the like, or the finest classes.
    """
    candidates = [
        column
        for column in columns
        if column.role in ("classes", "nothing")
        and len(column.counts) >= MIN_GROUPS
        and sum(column.counts.values()) <= _MAX_GROUP_ROWS * len(column.counts)
    ]
    others = [column for column in columns if column.role in ("classes", "label", "list") and column not in candidates]
    if not candidates or not others:
        return list(columns)
    codes = {column.name: _codes(train, column.name) for column in (*candidates, *others)}
    reason = (
        "{} values, and the rows of each have the same labels, so it is taken for groups, whose rows stay together; "
        "if it is a class, name it in a task and leave group_column out"
    )
    found = {
        c.name: replace(c, role="group", reason=reason.format(len(c.counts)))
        for c in candidates
        if all(_is_function_of(codes[other.name], codes[c.name]) for other in others)
    }
    return [found.get(column.name, column) for column in columns]


def _codes(train: datasets.Dataset, name: str) -> np.ndarray:
    """The number of each row's value, int64 [N]; blank ones are -1."""
    numbers: dict[Any, int] = {}
    parts = []
    for cells in read_column(train, name):
        lookup = [numbers.setdefault(value, len(numbers)) for value in cells.values]
        parts.append(np.array([*lookup, -1], dtype=np.int64)[cells.codes])
    return np.concatenate(parts)


def _is_function_of(labels: np.ndarray, groups: np.ndarray) -> bool:
    """Whether all rows of a group have one label."""
    pairs = np.unique(np.stack([groups, labels]), axis=1).shape[1]
    return pairs == len(np.unique(groups))
