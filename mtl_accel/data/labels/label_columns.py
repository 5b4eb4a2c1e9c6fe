"""Which columns are labels where a config names none, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import datasets
import numpy as np

from .columns import is_scalar, read_column

ZERO_ONE = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "False": 0, "True": 1, "false": 0, "true": 1}
_SHOWN = 5  # columns that are told at least; those that nearly are labels are all told
_MAX_CHARACTERS = 20  # of a cell that is told


class LeftOut(NamedTuple):
    """A column that holds no labels, and why, in words.

    is_near: most of the cells that were read are 0 or 1, so that a few wrong ones may have cost the user a label.
    """

    name: str
    why: str
    is_near: bool


def zero_one_columns(
    split: str, table: datasets.Dataset, names: Iterable[str]
) -> tuple[tuple[str, ...], list[LeftOut]]:
    """Those of the columns that hold only 0, 1 and blanks, and not blanks alone; and the others."""
    found = {name: _left_out(split, table, name) for name in names}
    return tuple(name for name, other in found.items() if other is None), [o for o in found.values() if o is not None]


def _left_out(split: str, table: datasets.Dataset, name: str) -> LeftOut | None:
    """None for a column of labels. Reads no further than the batch with the first other value."""
    if not is_scalar(table, name):
        return LeftOut(name, "not one value a row", False)
    num_fitting = 0
    for cells in read_column(table, name):
        fits = np.array([*(value in ZERO_ONE for value in cells.values), True])  # the last one is of blanks
        others = np.flatnonzero(~fits[cells.codes])
        num_fitting += int((cells.codes >= 0).sum()) - len(others)
        if len(others):
            sample = table.select_columns(["id"])[cells.rows.start + int(others[0])]["id"]
            value = _shortened(cells.values[cells.codes[others[0]]])
            return LeftOut(name, f"{split}, {sample}: {value!r}", num_fitting > len(others))
    return None if num_fitting else LeftOut(name, f"{split}: all blank", False)


def _shortened(value: str) -> str:
    return value if len(value) <= _MAX_CHARACTERS else f"{value[:_MAX_CHARACTERS]}..."


def told(left_out: Sequence[LeftOut]) -> str:
    """All columns that nearly are labels, and of the others so many that it stays one line."""
    near = [column for column in left_out if column.is_near]
    others = [column for column in left_out if not column.is_near]
    shown = [*near, *others[: max(_SHOWN - len(near), 0)]]
    rest = len(left_out) - len(shown)
    return ", ".join(f"{column.name} ({column.why})" for column in shown) + (f" and {rest} more" if rest else "")
