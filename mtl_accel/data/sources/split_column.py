"""A column that says which split each row belongs to."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Value

from ...config.knobs import did_you_mean
from ...core.errors import UserError, shorten
from .splits import ALIASES, RawSplit, column_of, take_rows
from .table_cache import TableCache

SPLIT_NAMES = ("split", "set", "partition", "subset")
_BOOLEAN_NAME = "is_valid"  # of fastai
_WORDS = {alias: split for split, aliases in ALIASES.items() for alias in aliases}
_NUMBERS = {"0": "train", "1": "validation", "2": "test"}  # as in CelebA
_BOOLEANS = {"false": "train", "0": "train", "true": "validation", "1": "validation"}


@dataclass(frozen=True)
class _Reading:
    """The distinct cells of a column, stripped and in lower case, and the split of each that says one."""

    column: str
    cells: pa.ChunkedArray | pa.Array
    splits: dict[str, str]

    @property
    def unknown(self) -> list[str | None]:
        return [value for value in pc.unique(self.cells).to_pylist() if value not in self.splits]


def divide_by_column(
    raw: list[RawSplit],
    named: str | None,
    labels: Collection[str],
    image_folders: Callable[[str], tuple[Path, ...]],
    cache: TableCache,
) -> list[RawSplit]:
    """Divide the rows of the training table by its split column; other sources are returned as they are.

    Args:
        named: the configured column; None: found by its name, and "" for none.
        labels: columns that a task names, which are not taken for a split column.
        image_folders: where the images of a split are looked for, before the places of the training images.

    Raises:
        UserError: no such column, cells that say no split, several such columns, or files that say another split.
    """
    if named == "":
        return raw
    if len(raw) > 1 or raw[0].name != "train":
        _check_beside_files(raw, named, labels)
        return raw
    (table,) = raw
    column = named if named is not None else _find_column(table, labels)
    if column is None:
        return raw
    reading = _read(table, column, is_named=named is not None)
    _check_cells(table, reading, is_named=named is not None)
    parts = _divide(table, reading, cache, is_named=named is not None)
    return [replace(part, bases=tuple(dict.fromkeys((*image_folders(part.name), *part.bases)))) for part in parts]


def _candidates(table: RawSplit, labels: Collection[str]) -> list[str]:
    names = (*SPLIT_NAMES, _BOOLEAN_NAME)
    return [name for name in table.table.column_names if name.lower() in names and name not in labels]


def _find_column(table: RawSplit, labels: Collection[str]) -> str | None:
    found = _candidates(table, labels)
    if len(found) > 1:
        raise UserError(
            f"{table.origin}: the columns {' and '.join(map(repr, found))} could both say the split of a row. Name one "
            f"of them, such as --data.split_column {found[0]}"
        )
    return found[0] if found else None


def _read(table: RawSplit, column: str, *, is_named: bool) -> _Reading:
    names = table.table.column_names
    if column not in names:
        raise UserError(
            f"data.split_column: {table.origin} has no column {column!r}. It has: "
            f"{', '.join(names)}{did_you_mean(column, names)}"
        )
    cells, feature = column_of(table.table, column), table.table.features[column]
    if isinstance(feature, ClassLabel):
        names = pa.array(feature.names, pa.string())
        numbers = cells.combine_chunks()
        cells = names.take(pc.if_else(pc.less(numbers, 0), pa.scalar(None, numbers.type), numbers))
    elif not isinstance(feature, Value):
        raise UserError(f"{table.origin}: the split column {column!r} holds no text but {feature}. {_fix(column)}")
    text = pc.utf8_lower(pc.utf8_trim_whitespace(cells.cast(pa.string())))
    values = set(pc.unique(text).to_pylist()) - {None}
    if values <= set(_WORDS):
        splits = _WORDS
    elif column.lower() == _BOOLEAN_NAME:
        splits = _BOOLEANS
    elif values == set(_NUMBERS) or (is_named and values <= set(_NUMBERS)):
        splits = _NUMBERS
    elif is_named and values <= set(_BOOLEANS):
        splits = _BOOLEANS
    else:
        splits = _WORDS
    return _Reading(column, text, dict(splits))


def _fix(column: str) -> str:
    return (
        "Write train, validation or test (or 0, 1 and 2) in every row; or, if the column says something else, set "
        f"--data.split_column '', and name it in a task if {column!r} is a label"
    )


def _check_cells(table: RawSplit, reading: _Reading, *, is_named: bool) -> None:
    """Check that each cell says a split. Raises UserError with the first rows that do not."""
    unknown = reading.unknown
    if not unknown:
        return
    values = pc.unique(reading.cells).to_pylist()
    if not is_named and set(values) <= set(_NUMBERS):
        raise UserError(
            f"{table.origin}: the column {reading.column!r} holds only {' and '.join(sorted(values))}, which may be "
            "splits or a label. If 0 is train, 1 validation and 2 test, say so by --data.split_column "
            f"{reading.column}; else set --data.split_column ''"
        )
    is_wrong = pc.invert(pc.is_in(reading.cells, pa.array(list(reading.splits), pa.string())))
    rows = np.flatnonzero(is_wrong.to_numpy()).tolist()
    written = column_of(table.table, reading.column).take(pa.array(rows, pa.int64())).to_pylist()
    problems = [
        f"{place}: {value!r} (column {reading.column!r}) is no split"
        for place, value in zip(table.table_of(reading.column).describe_rows(rows), written, strict=True)
    ]
    raise UserError([*shorten(problems, "rows without a split"), _fix(reading.column)])


def _check_beside_files(raw: Sequence[RawSplit], named: str | None, labels: Collection[str]) -> None:
    """Check that no column contradicts the files of the splits, which say the split of each row already."""
    problems = []
    for table in raw:
        columns = _candidates(table, labels) if named is None else [named]
        for column in set(columns) & set(table.table.column_names):
            reading = _read(table, column, is_named=named is not None)
            said = {reading.splits[value] for value in pc.unique(reading.cells).to_pylist() if value in reading.splits}
            if said - {table.name}:
                problems.append(
                    f"{table.origin}: it is the {table.name} split, but its column {column!r} says "
                    f"{', '.join(sorted(said - {table.name}))} in some rows. Keep one table with this column, or files "
                    "for the splits and --data.split_column ''"
                )
    if problems:
        raise UserError(problems)


def _divide(table: RawSplit, reading: _Reading, cache: TableCache, *, is_named: bool) -> list[RawSplit]:
    numbers = {split: number for number, split in enumerate(ALIASES)}
    values = pa.array(list(reading.splits), pa.string())
    codes = pa.array([numbers[split] for split in reading.splits.values()], pa.int8())
    of_rows = codes.take(pc.index_in(reading.cells, values)).to_numpy()
    rest = replace(
        table,
        table=table.table.remove_columns([reading.column]),
        key=json.dumps([table.key, "split_column", reading.column]),
    )
    rows = {name: np.flatnonzero(of_rows == number) for name, number in numbers.items()}
    parts = [take_rows(rest, name, rows[name], cache) for name in numbers if len(rows[name])]
    if is_named:
        return parts
    inferred = {"data.split_column": reading.column}
    counts = ", ".join(f"{len(rows[name])} {name}" for name in numbers)
    note = f"its column {reading.column!r} says the split of each row: {counts} (data.split_column)"
    return [replace(part, notes=(*part.notes, note), inferred={**part.inferred, **inferred}) for part in parts]
