"""Joins further tables to the rows of the same image, such as a list of splits to a list of attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import concatenate_datasets

from ....config.knobs import did_you_mean
from ....config.sections.data import DataConfig, JoinConfig
from ....core.errors import UserError, shorten
from ..splits import ID_NAMES, IMAGE_NAMES, JoinedTable, RawSplit, choose_columns, column_of, is_identifier, take_rows
from ..table_cache import ROWS, TableCache
from .read_table import read_table
from .text_format import TextFormat

_WAYS_OUT = (
    'Complete the tables, or join with "how": "inner" (rows with a partner alone) or "left" (all, some cells blank)'
)


def join_tables(raw: list[RawSplit], data: DataConfig, folder: Path | None, cache: TableCache) -> list[RawSplit]:
    """Join the tables of `data.join` to those of the splits.

    Args:
        folder: what their paths are relative to.

    Raises:
        UserError: a table cannot be read; it lacks the column of the keys, a key is blank or stands twice; rows have no
            partner; a column stands in both tables with other cells.
    """
    for join in data.join:
        path = (folder or Path()) / Path(join.table).expanduser()
        if not path.is_file():
            raise UserError(f"data.join: {join.table!r} is no file (looked at {path}). Correct the path")
        text = TextFormat(data.delimiter, data.encoding, join.column_names, index_column=data.index_column)
        raw = _join(raw, _Partner.of(raw, read_table(path, cache, text=text), join, data), join, cache)
    return raw


@dataclass(frozen=True)
class _Partner:
    """A table to be joined, and the columns of its keys and of those of the splits, as text."""

    table: RawSplit
    key: str
    key_of_splits: str
    keys: pa.ChunkedArray

    @classmethod
    def of(cls, raw: Sequence[RawSplit], table: RawSplit, join: JoinConfig, data: DataConfig) -> _Partner:
        names = table.table.column_names
        if join.on is not None:
            key = key_of_splits = join.on
        else:
            key_of_splits = _key_of_splits(raw, data)
            usual = [name for wanted in (*IMAGE_NAMES, *ID_NAMES) for name in names if name.lower() == wanted]
            key = key_of_splits if key_of_splits in names else [*usual, *names][0]
        for part, name in ((table, key), *((split, key_of_splits) for split in raw)):
            there = part.table.column_names
            if name not in there:
                raise UserError(
                    f"data.join: {part.origin} has no column {name!r}; it has: {', '.join(there)}"
                    f'{did_you_mean(name, there) or "."} Name a column of both tables as "on" of {join.table!r}'
                )
        keys = column_of(table.table, key).cast(pa.string())
        _check_unique(table, key, keys)
        return cls(table, key, key_of_splits, keys)

    def rows_of(self, split: RawSplit) -> pa.ChunkedArray:
        """The row of this table that belongs to each row of a split: int32 [N]; None where there is none."""
        return pc.index_in(column_of(split.table, self.key_of_splits).cast(pa.string()), self.keys.combine_chunks())


def _key_of_splits(raw: Sequence[RawSplit], data: DataConfig) -> str:
    """The column of the images, or of the ids of images that are in the table itself."""
    columns = choose_columns(raw, data.image_column, data.id_column)
    if is_identifier(raw[0].table.features[columns.image]):
        return columns.image
    if columns.id is None:
        raise UserError(
            f'data.join: {raw[0].origin} names no images and no ids. Name a column of both tables, as "on" of the join'
        )
    return columns.id


def _check_unique(table: RawSplit, key: str, keys: pa.ChunkedArray) -> None:
    blank = np.flatnonzero(pc.is_null(keys).to_numpy())
    problems = [f"{place}: its cell of {key!r} is blank. Fill it in" for place in table.describe_rows(blank.tolist())]
    first = pc.index_in(keys, pc.unique(keys)).to_numpy(zero_copy_only=False)
    _, where = np.unique(first, return_index=True)
    doubled = np.setdiff1d(np.setdiff1d(np.arange(len(keys)), where), blank)
    for row, place in zip(doubled.tolist(), table.describe_rows(doubled.tolist()), strict=True):
        problems.append(f"{place}: {keys[row].as_py()!r} (column {key!r}) stands there before. Keep one of the rows")
    if problems:
        raise UserError(shorten(problems, "rows with a blank or doubled key"))


def _join(raw: list[RawSplit], partner: _Partner, join: JoinConfig, cache: TableCache) -> list[RawSplit]:
    rows = {split.name: partner.rows_of(split) for split in raw}
    found = np.concatenate([of_split.drop_null().to_numpy() for of_split in rows.values()])
    num_lonely = sum(of_split.null_count for of_split in rows.values())
    unused = np.setdiff1d(np.arange(len(partner.keys)), found)
    if join.how == "exact" and (num_lonely or len(unused)):
        problems = [_describe_lonely(split, rows[split.name], partner) for split in raw if rows[split.name].null_count]
        if len(unused):
            keys = ", ".join(map(repr, partner.keys.take(pa.array(unused[:3])).to_pylist()))
            splits = " or ".join(split.origin for split in raw)
            problems.append(f"{partner.table.origin}: {len(unused)} rows have no partner in {splits}, such as {keys}")
        raise UserError([*problems, f"data.join: {_WAYS_OUT}"])
    note = ""
    if num_lonely or len(unused):
        what = "are left out" if join.how == "inner" else "have blank cells"
        note = f"{num_lonely} rows without a partner in it {what}, and {len(unused)} of its rows are not used"
    joined = []
    for split in raw:
        of_split = rows[split.name]
        if join.how == "inner" and of_split.null_count:
            split = take_rows(split, split.name, np.flatnonzero(of_split.is_valid().to_numpy()), cache)
            of_split = of_split.drop_null()
        split = _with_columns(split, partner, of_split, join, cache)
        notes = (f"its joined table {join.table}: {text}" for text in (*partner.table.notes, note) if text)
        # A knob such as data.delimiter holds for all tables: it can say only what was found alike in them.
        alike = {key: value for key, value in split.inferred.items() if partner.table.inferred.get(key, value) == value}
        joined.append(replace(split, notes=(*split.notes, *notes), inferred=alike))
    return joined


def _describe_lonely(split: RawSplit, rows: pa.ChunkedArray, partner: _Partner) -> str:
    first = np.flatnonzero(pc.is_null(rows).to_numpy())[:3].tolist()
    keys = column_of(split.table, partner.key_of_splits).take(pa.array(first)).to_pylist()
    places = zip(split.describe_rows(first), keys, strict=True)
    named = ", ".join(f"{place.removeprefix(f'{split.origin}, ')} ({key!r})" for place, key in places)
    return f"{split.origin}: {rows.null_count} rows have no partner in {partner.table.origin}, such as {named}"


def _with_columns(
    split: RawSplit, partner: _Partner, rows: pa.ChunkedArray, join: JoinConfig, cache: TableCache
) -> RawSplit:
    """The split with the columns of the partner, which are written into the cache."""
    right = partner.table.table
    new = [name for name in right.column_names if name != partner.key]
    both = [name for name in new if name in split.table.column_names]
    problems = [problem for name in both if (problem := _difference(split, partner, name, rows)) is not None]
    if problems:
        raise UserError(problems)
    new = [name for name in new if name not in both]
    lines = partner.table.lines
    place = JoinedTable(frozenset(new), partner.table.origin, None if lines is None else lines.take(rows))
    table = split.table
    if new:
        schema = right.select_columns(new).features.arrow_schema

        def batches() -> Iterator[pa.Table]:
            for start in range(0, max(len(rows), 1), ROWS):
                part = rows[start : start + ROWS]
                yield pa.table({name: column_of(right, name).take(part) for name in new}, schema=schema)

        table = concatenate_datasets([split.table, cache.put(batches())], axis=1)
    key = json.dumps([split.key, "join", partner.table.key, partner.key, partner.key_of_splits, join.how])
    return replace(split, table=table, key=key, joined=(*split.joined, place))


def _difference(split: RawSplit, partner: _Partner, name: str, rows: pa.ChunkedArray) -> str | None:
    """The first row in which a column of both tables has two cells; None where they are equal."""
    ours = column_of(split.table, name).cast(pa.string())
    theirs = column_of(partner.table.table, name).take(rows).cast(pa.string())
    same = pc.or_(pc.fill_null(pc.equal(ours, theirs), False), pc.and_(pc.is_null(ours), pc.is_null(theirs)))
    row = int(np.argmin(same.to_numpy())) if len(same) else 0
    if not len(same) or same[row].as_py():
        return None
    return (
        f"{split.describe_rows([row])[0]}: column {name!r} holds {ours[row].as_py()!r}, and that of "
        f"{partner.table.origin} {theirs[row].as_py()!r}. Remove or rename the column in one of the tables"
    )
