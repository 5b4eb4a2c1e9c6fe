"""Reads columns by their distinct values, and finds the columns of labels where the config names none."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..sources.splits import column_of
from ..sources.table_cache import ROWS
from .cells import LETTERS, binary_value, is_missing, text_of


class Cells(NamedTuple):
    """A column's cells in some rows: the distinct values as text, and the index of each row's value (-1: blank)."""

    rows: slice
    values: list[Any]
    codes: np.ndarray

    def with_blanks_as_text(self) -> Cells:
        """Cells whose blanks are the text "", which `values` of a task may mention."""
        return Cells(self.rows, [*self.values, ""], np.where(self.codes < 0, len(self.values), self.codes))


def read_column(split: datasets.Dataset, name: str) -> Iterator[Cells]:
    """Read a column by its distinct values, in blocks of rows, so that it is never in memory as a whole."""
    column = column_of(split, name)
    for start in range(0, len(column), ROWS):
        array = column[start : start + ROWS].combine_chunks()
        yield Cells(slice(start, start + len(array)), *_distinct(array))


def _distinct(array: pa.Array) -> tuple[list[Any], np.ndarray]:
    """Distinct values, lists as tuples of text, and the index of each cell's value: int64 [N]."""
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        cells = [None if cell is None else tuple(text_of(v) for v in cell) for cell in array.to_pylist()]
        lists: list[Any] = list(dict.fromkeys(cell for cell in cells if cell is not None))
        code: dict[Any, int] = {cell: index for index, cell in enumerate(lists)}
        return lists, np.array([-1 if cell is None else code[cell] for cell in cells], dtype=np.int64)
    encoded = pc.dictionary_encode(array)
    texts = [text_of(value) for value in encoded.dictionary.to_pylist()]
    distinct = list(dict.fromkeys(text for text in texts if text is not None))
    code = {text: index for index, text in enumerate(distinct)}
    lookup = np.array([*(-1 if text is None else code[text] for text in texts), -1], dtype=np.int64)
    return distinct, lookup[encoded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)]


def _is_scalar(feature: Any) -> bool:
    """Whether a column of this type holds one value in each row."""
    return isinstance(feature, (datasets.Value, datasets.ClassLabel))


_MIN_SHOWN = 5  # columns in a message; those that are nearly labels are all shown
_MAX_CHARACTERS = 20  # of a cell in a message


class LeftOut(NamedTuple):
    """A column that holds no labels, and the reason in words.

    is_near: most of the cells that were read are 0 or 1, so the user may have lost a label to a few wrong cells.
    """

    name: str
    reason: str
    is_near: bool


def zero_one_columns(
    split: str, table: datasets.Dataset, names: Iterable[str], values: Collection[str] = ()
) -> tuple[dict[str, set[str]], list[LeftOut]]:
    """Those of the columns that hold only 0, 1 (or -1, 1) and blanks, with their distinct cells; and the others.

    Args:
        values: other cells whose meaning the config says.
    """
    features = table.features  # a property that copies those of all columns each time
    labels: dict[str, set[str]] = {}
    left_out: list[LeftOut] = []
    for name in names:
        is_scalar = _is_scalar(features[name])
        found = _label_cells(split, table, name, values) if is_scalar else LeftOut(name, "not one value a row", False)
        if isinstance(found, LeftOut):
            left_out.append(found)
        else:
            labels[name] = found
    return labels, left_out


def _label_cells(split: str, table: datasets.Dataset, name: str, explained: Collection[str]) -> set[str] | LeftOut:
    """Distinct cells of a column of labels. Stops after the block of rows with the first other value."""
    num_fitting = 0
    texts: set[str] = set()
    for cells in read_column(table, name):
        blank = np.array([*(is_missing(value) for value in cells.values), True])  # the last one, at -1, is for blanks
        says = (value in explained or binary_value(value) is not None for value in cells.values)
        fits = blank | np.array([*says, True])
        others = np.flatnonzero(~fits[cells.codes])
        num_fitting += int((~blank[cells.codes]).sum()) - len(others)
        texts |= set(cells.values)
        if len(others):
            sample = table.select_columns(["id"])[cells.rows.start + int(others[0])]["id"]
            value = _shortened(cells.values[cells.codes[others[0]]])
            return LeftOut(name, f"{split}, {sample}: {value!r}", num_fitting > len(others))
    words = {text.casefold() for text in texts if text not in explained and not is_missing(text)}
    if words <= LETTERS and len(words) == 1 and texts.isdisjoint(explained):
        return LeftOut(name, f"{split}: only {words.pop()!r}, which need not mean yes or no", False)
    return texts if num_fitting else LeftOut(name, f"{split}: all blank", False)


def _shortened(value: str) -> str:
    return value if len(value) <= _MAX_CHARACTERS else f"{value[:_MAX_CHARACTERS]}..."


def format_columns(left_out: Sequence[LeftOut]) -> str:
    """List all columns that are nearly labels, and only a few of the others, so that it stays one line."""
    near = [column for column in left_out if column.is_near]
    others = [column for column in left_out if not column.is_near]
    shown = [*near, *others[: max(_MIN_SHOWN - len(near), 0)]]
    rest = len(left_out) - len(shown)
    return ", ".join(f"{column.name} ({column.reason})" for column in shown) + (f" and {rest} more" if rest else "")
