"""Classes of a column: whether cells are places in a list of names, and whether they look like classes at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import datasets
import numpy as np

from ...core.tasks import Task
from .cells import is_missing, is_number, is_whole, mapped, whole_number
from .columns import read_column

_MIN_DOUBTED = 5  # classes: fewer of one row each may be a first try


def names_by_place(classes: Sequence[str], cells: Collection[str]) -> dict[str, str] | None:
    """The names by their places in a list, if the cells of a column are such places; None if they are not.

    The first place is 0 if a cell is 0, and 1 if one is the number of classes; else it is not known which, and None is
    returned. A cell that is a name of the list is no place.
    """
    numbers = {whole_number(cell) for cell in cells if not is_missing(cell)}
    if not numbers or not all(map(is_whole, numbers)) or numbers & set(classes):
        return None
    firsts = [first for first, sign in ((0, "0"), (1, str(len(classes)))) if sign in numbers]
    for first in firsts:
        places = {str(first + place): name for place, name in enumerate(classes)}
        if numbers <= places.keys():
            return places
    return None


def doubt_classes(table: datasets.Dataset, task: Task, classes: Sequence[str]) -> tuple[str | None, str | None]:
    """A problem, or a line for the log, where classes look like ids or like numbers: most of them have one row."""
    if len(classes) < _MIN_DOUBTED:
        return None, None
    column, counts = task.columns[0], Counter[str]()
    for cells in read_column(table, column):
        for value, count in zip(cells.values, np.bincount(cells.codes[cells.codes >= 0]), strict=False):
            counts[whole_number(str(mapped(value, task.values)))] += int(count)
    num_single = sum(counts[whole_number(name)] == 1 for name in classes)
    are_decimals = all(map(is_number, classes)) and not all(map(is_whole, classes))
    found = f"{len(classes)} classes in column {column!r}, and {num_single} of them have one row"
    regression = f'{{"kind": "regression", "columns": ["{column}"]}}'
    if are_decimals and 2 * num_single > len(classes):
        return (
            f"tasks.{task.name}: {found}; they are numbers with decimals, such as {classes[0]}: predict them by "
            f'{regression}, or name "classes" if they are meant'
        ), None
    if are_decimals or 2 * num_single > len(classes):
        hint = f"; if these are numbers to predict, the task is {regression}" if are_decimals else ""
        return None, f"{task.name}: {found}{hint}"
    return None, None
