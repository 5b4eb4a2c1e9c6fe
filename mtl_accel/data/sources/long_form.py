"""Tables in long form, with a row for each label of an image, brought into wide form: a row for each image.

The labels of an image become a list in one cell. A column of confidences then holds the list of the labels that the
image does not have, as verified.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Value, concatenate_datasets

from ...config.sections.data import DataConfig
from ...core.errors import UserError, collect, shorten
from .splits import Columns, RawSplit, column_of, is_unique, take_rows
from .table_cache import ROWS, TableCache

ListColumns = Mapping[str, str | None]  # columns of labels, and for each that of its confidences, if it has one
_NOT_ONE_LABEL = r"[,;|\[{\s]"  # in a cell that may hold several labels
_YES, _NO = ("1", "1.0"), ("0", "0.0")


def in_wide_form(
    raw: list[RawSplit],
    data: DataConfig,
    columns: Columns,
    labels: ListColumns,
    named: Collection[str],
    cache: TableCache,
) -> list[RawSplit]:
    """Bring the splits into wide form that are in long form, as the config says or as it is found.

    Args:
        labels: columns that may have one label a row, and for each the column of its confidences, if it has one.
        named: columns that the tasks name.

    Raises:
        UserError: images have no ids, a column differs between the rows of an image, or a confidence is not 0 or 1.
    """
    has_confidence = any(confidence is not None for confidence in labels.values())
    is_long = True if has_confidence else {None: None, "wide": False, "long": True}[data.rows]
    beside = (columns.image, data.group_column, data.fold_column)
    form = _LongForm(is_long, labels, frozenset({*named, *(name for name in beside if name is not None)}))
    problems: list[str] = []
    found = []
    for split in raw:
        with collect(problems):
            found.append(_to_wide(split, columns, form, cache))
    if problems:
        raise UserError(problems)
    return found


@dataclass(frozen=True)
class _LongForm:
    """What a config says of the rows.

    Attributes:
        is_long: whether rows are labels; None: found.
        labels: columns with one label a row, and for each the column of its confidences, if it has one.
        named: columns that the config names, which may not be left out.
    """

    is_long: bool | None
    labels: ListColumns
    named: frozenset[str]


def _to_wide(split: RawSplit, columns: Columns, form: _LongForm, cache: TableCache) -> RawSplit:
    there = set(split.table.column_names)
    labels = {name: confidence for name, confidence in form.labels.items() if name in there}
    if form.is_long is False or (form.is_long is None and not labels):
        return split
    if columns.id is None:
        if form.is_long:
            raise UserError(
                f"data.rows: {split.origin} has no column of ids, which long form needs: set data.id_column"
            )
        return split
    if columns.id not in there:
        return split  # it is reported
    ids = column_of(split.table, columns.id)
    if form.is_long is None and is_unique(ids):
        return split
    images = _Images(ids)
    others = [name for name in split.table.column_names if name not in {*labels, *labels.values(), columns.id}]
    differing = {name: rows for name in others if len(rows := images.rows_that_differ(_scalars(split.table, name)))}
    if form.is_long is None and (differing or not _is_one_label_a_row(split.table, images, labels)):
        return split  # the doubled ids are reported
    if problems := _describe_differing(split, columns, {n: r for n, r in differing.items() if n in form.named}):
        raise UserError(problems)
    return _collapse(split, images, labels, list(differing), cache)


class _Images:
    """The rows of each image: `number` of each row's image, int64 [N], and the `first` row of each image, int64 [M]."""

    def __init__(self, ids: pa.ChunkedArray) -> None:
        codes = _codes(ids)
        _, self.first, number = np.unique(codes, return_index=True, return_inverse=True)
        order = np.argsort(self.first)  # images in the order in which they appear
        self.first, self.number = self.first[order], np.argsort(order)[number]

    def rows_that_differ(self, cells: pa.ChunkedArray | None) -> np.ndarray:
        """Rows whose cell is not that of the first row of their image, int64; none where cells are no scalars."""
        if cells is None:
            return np.empty(0, np.int64)
        codes = _codes(cells)
        return np.flatnonzero(codes != codes[self.first][self.number])


def _codes(cells: pa.ChunkedArray) -> np.ndarray:
    """Number of each cell's value: int64 [N], -1 for a blank."""
    encoded = pc.dictionary_encode(cells.combine_chunks())
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def _scalars(table: Dataset, name: str) -> pa.ChunkedArray | None:
    return column_of(table, name) if isinstance(table.features[name], (Value, ClassLabel)) else None


def _label_texts(split: RawSplit, name: str) -> pa.ChunkedArray:
    """Label of each row as text; None for a blank."""
    cells, feature = column_of(split.table, name), split.table.features[name]
    if isinstance(feature, ClassLabel):
        numbers = cells.combine_chunks()
        known = pc.if_else(pc.less(numbers, 0), pa.scalar(None, numbers.type), numbers)
        return pa.chunked_array([pa.array(feature.names, pa.string()).take(known)])
    if not isinstance(feature, Value):
        raise UserError(
            f"{split.origin}: column {name!r} holds {feature}, and in long form each row has one label. Set data.rows "
            'to "wide"'
        )
    text = pc.utf8_trim_whitespace(cells.cast(pa.string()))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _is_one_label_a_row(table: Dataset, images: _Images, labels: ListColumns) -> bool:
    """Whether an image repeats with another label, and no cell may hold several labels."""
    for name in labels:
        cells = _scalars(table, name)
        if cells is None or not len(images.rows_that_differ(cells)):
            return False
        text = pc.unique(cells).cast(pa.string())
        if pc.any(pc.match_substring_regex(pc.utf8_trim_whitespace(text), _NOT_ONE_LABEL)).as_py():
            return False
    return True


def _describe_differing(split: RawSplit, columns: Columns, differing: Mapping[str, np.ndarray]) -> list[str]:
    problems = []
    for name, rows in differing.items():
        cells = column_of(split.table, name)
        problems.append(
            f"{split.describe_rows([int(rows[0])])[0]}: column {name!r} holds {cells[int(rows[0])].as_py()!r}, another "
            f"value than the first row of the same image (column {columns.id!r}), and so in {len(rows)} rows. Rows of "
            "an image may differ in its labels alone: correct the cells, or name another column"
        )
    return problems


def _collapse(
    split: RawSplit, images: _Images, labels: ListColumns, left_out: list[str], cache: TableCache
) -> RawSplit:
    """One row for each image, with lists in the columns of labels and confidences."""
    lists: dict[str, pa.Array] = {}
    for name, confidence in labels.items():
        texts = _label_texts(split, name)
        is_yes = None if confidence is None else _confidences(split, confidence, name, texts, images)
        lists[name] = _lists(texts, images, is_yes)
        if confidence is not None and is_yes is not None:
            lists[confidence] = _lists(texts, images, ~is_yes)
    wide = take_rows(split, split.name, images.first, cache)
    table = wide.table.remove_columns([name for name in (*lists, *left_out) if name in wide.table.column_names])
    if lists:
        written = pa.table(lists)
        batches = (written.slice(start, ROWS) for start in range(0, max(len(written), 1), ROWS))
        table = concatenate_datasets([table, cache.put(batches)], axis=1)
    note = f"its rows are labels: {len(images.first)} images of {len(images.number)} rows (data.rows)"
    if left_out:
        note += f"; without {', '.join(left_out)}, which differ between the rows of an image"
    key = json.dumps([split.key, "long", labels])
    inferred = {**wide.inferred, "data.rows": "long"}
    return replace(wide, table=table, key=key, notes=(*wide.notes, note), inferred=inferred)


def _confidences(
    split: RawSplit, name: str, label_column: str, labels: pa.ChunkedArray, images: _Images
) -> np.ndarray | None:
    """Whether each row says that its image has the label: bool [N]; None where the split has no such column."""
    if name not in split.table.column_names:
        return None
    text = column_of(split.table, name).cast(pa.string())
    is_yes, is_no = (_is_in(text, words) for words in (_YES, _NO))
    is_label = labels.is_valid().to_numpy()
    wrong = np.flatnonzero(is_label & ~is_yes & ~is_no)
    problems = [
        f"{place}: {text[int(row)].as_py()!r} (column {name!r}) is neither 1, for a label that the image has, nor 0, "
        "for one that it has not. Round it, or leave the row out"
        for place, row in zip(split.describe_rows(wrong.tolist()), wrong, strict=True)
    ]
    pairs = np.stack([images.number, _codes(labels)], axis=1)
    both = _pairs_in_both(pairs[is_label & is_yes], pairs[is_label & is_no])
    if len(both):
        rows = np.flatnonzero(is_label & is_no & (pairs == both[0]).all(axis=1))
        problems.append(
            f"{split.describe_rows([int(rows[0])])[0]}: label {labels[int(rows[0])].as_py()!r} (column "
            f"{label_column!r}) has confidence 0 here and 1 in another row of the image, and so have {len(both)} "
            "labels of images. Keep one of the rows"
        )
    if problems:
        raise UserError(shorten(problems, "rows with a wrong confidence"))
    return is_yes


def _is_in(text: pa.ChunkedArray, words: tuple[str, ...]) -> np.ndarray:
    return pc.is_in(pc.utf8_trim_whitespace(text), pa.array(words)).to_numpy()


def _pairs_in_both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rows that two arrays int64 [N, 2] have in common."""
    distinct = [np.unique(rows, axis=0) for rows in (first, second)]
    rows, count = np.unique(np.concatenate(distinct), axis=0, return_counts=True)
    return rows[count > 1]


def _lists(labels: pa.ChunkedArray, images: _Images, chosen: np.ndarray | None) -> pa.Array:
    """Distinct labels of each image in the chosen rows; None for an image without any label in any row."""
    codes = _codes(labels)
    is_label = codes >= 0
    rows = np.flatnonzero(is_label if chosen is None else is_label & chosen)
    pairs = np.stack([images.number[rows], codes[rows]], axis=1)
    distinct, at = np.unique(pairs, axis=0, return_index=True)
    num_images = len(images.first)
    offsets = np.searchsorted(distinct[:, 0], np.arange(num_images + 1)) if len(distinct) else np.zeros(num_images + 1)
    has_labels = np.zeros(num_images, bool)
    has_labels[images.number[is_label]] = True
    values: Any = labels.combine_chunks().take(pa.array(rows[at], pa.int64()))
    is_blank = np.append(~has_labels, False)  # a blank offset is a blank list
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32), pa.int32(), mask=is_blank), values)
