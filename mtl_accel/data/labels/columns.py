"""The cells of a column as text, by their distinct values, and never many of them in memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..sources.splits import column_of
from ..sources.table_cache import ROWS


class Cells(NamedTuple):
    """A column's cells in some rows: the distinct values as text, and which of them each row holds (-1: blank)."""

    rows: slice
    values: list[Any]
    codes: np.ndarray


def text_of(value: Any) -> str | None:
    """A cell as text: None for a blank, "3" for the 3.0 that an integer column with blanks turns into."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def read_column(split: datasets.Dataset, name: str) -> Iterator[Cells]:
    """Read a column by its distinct values, so many rows at a time that no more of it is ever in memory."""
    column = column_of(split, name)
    for start in range(0, len(column), ROWS):
        array = column[start : start + ROWS].combine_chunks()
        yield Cells(slice(start, start + len(array)), *_distinct(array))


def _distinct(array: pa.Array) -> tuple[list[Any], np.ndarray]:
    """Distinct values, lists as tuples of text, and the number of each cell's: int64 [N]."""
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


def is_scalar(split: datasets.Dataset, column: str) -> bool:
    """Whether a column holds one value a row, and so can be read by its distinct values."""
    return isinstance(split.features[column], (datasets.Value, datasets.ClassLabel))
