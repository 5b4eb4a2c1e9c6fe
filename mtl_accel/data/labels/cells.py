"""What a cell means: as text, as 0 or 1, as a number, as a class, as a set of labels. Every rule of cells is here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from ...core.tasks import Task

ZERO_ONE = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1, "false": 0, "true": 1}


def text_of(value: Any) -> str | None:
    """A cell as text: None for a blank, "3" for the 3.0 that an integer column with blanks turns into."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def split_labels(cell: str | tuple[str, ...], delimiter: str) -> list[str]:
    """The label names in a cell, which is a list, or text with a delimiter."""
    parts = cell if isinstance(cell, tuple) else cell.split(delimiter)
    return [part.strip() for part in parts if part and part.strip()]


def parser_of(task: Task) -> tuple[Callable[[Any], Any], str]:
    """A function from a cell to its target, or to None if the cell breaks the rule; and the rule in words."""
    if task.kind == "regression" and task.scale is not None and task.scale.log1p:
        return partial(_parse_number, lowest=0.0), "must be a finite number of at least 0, because of log1p, or blank"
    if task.kind == "regression":
        return _parse_number, "must be a finite number or blank"
    if not task.is_one_column:
        return ZERO_ONE.get, "must be 0, 1 or blank"
    known = {label: index for index, label in enumerate(task.classes)}
    origin = f"of the training split or of tasks.{task.name}.classes"
    if task.kind == "multiclass":
        return known.get, f"is none of the {len(known)} classes {origin}"
    parse = partial(_parse_labels, known=known, delimiter=task.delimiter)
    return parse, f"holds a label that is none of the {len(known)} {origin}"


def _parse_number(text: str, lowest: float = -math.inf) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # The comparison is false for NaN as well.
    return number if abs(number) <= float(np.finfo(np.float32).max) and number >= lowest else None


def _parse_labels(cell: Any, known: Mapping[str, int], delimiter: str) -> np.ndarray | None:
    """0 or 1 for each known label: float64 [C]; None if the cell holds another label."""
    labels = split_labels(cell, delimiter)
    if any(label not in known for label in labels):
        return None
    row = np.zeros(len(known))
    row[[known[label] for label in labels]] = 1
    return row
