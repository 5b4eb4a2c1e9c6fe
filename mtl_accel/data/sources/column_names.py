"""Columns whose names differ between a config and a table, or between the tables of two splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from ...config.sections.data import DataConfig
from ...core.errors import UserError
from .images.image_paths import ImageFinder, NoImageError
from .splits import ID_NAMES, IMAGE_NAMES, RawSplit, choose_columns, column_of

_ROWS_TRIED = 100  # of a column that may hold the names of images


def configured_columns(data: DataConfig, label_columns: Collection[str]) -> frozenset[str]:
    """Every column that a config names, those of the tasks included."""
    names = (data.image_column, data.id_column, data.split_column, data.fold_column, data.group_column, *label_columns)
    return frozenset(name for name in names if name)


def match_columns(raw: Sequence[RawSplit], names: Collection[str]) -> list[RawSplit]:
    """Give columns the names that the config has for them, where they differ in case and outer spaces alone.

    Later splits follow the names of the first one in the same way. An exact name comes first.

    Raises:
        UserError: two columns of a table are so alike.
    """
    found: list[RawSplit] = []
    problems: list[str] = []
    for split in raw:
        wanted = (*sorted(names), *(found[0].table.column_names if found else ()))
        found.append(_matched(split, wanted, problems))
    if problems:
        raise UserError(problems)
    return found


def _matched(split: RawSplit, wanted: Iterable[str], problems: list[str]) -> RawSplit:
    there = split.table.column_names
    missing = dict.fromkeys(name for name in wanted if name not in there)
    if not missing:
        return split
    alike: dict[str, list[str]] = defaultdict(list)
    for column in set(there).difference(wanted):
        alike[_key(column)].append(column)
    renamed: dict[str, str] = {}
    for name in missing:
        columns = sorted(alike.get(_key(name), ()))
        if len(columns) > 1:
            problems.append(
                f"{split.origin}: the column {name!r} may be {' or '.join(map(repr, columns))}. Name one exactly"
            )
        elif columns and columns[0] not in renamed:
            renamed[columns[0]] = name
    if not renamed:
        return split
    notes = (
        f"its column {column!r} is read as {name!r}, the same but for case or spaces"
        for column, name in renamed.items()
    )
    joined = tuple(
        replace(table, columns=frozenset(renamed.get(column, column) for column in table.columns))
        for table in split.joined
    )
    table = split.table.rename_columns(renamed)
    return replace(split, table=table, joined=joined, notes=(*split.notes, *notes))


def _key(name: str) -> str:
    return name.strip().casefold()


def match_image_columns(raw: Sequence[RawSplit], data: DataConfig, finder: ImageFinder) -> list[RawSplit]:
    """Give splits that lack the image column of training the one of another usual name, if its cells lead to files.

    Raises:
        UserError: none does, or several do.
    """
    image, id_column = data.image_column, data.id_column
    if image is None or image in raw[0].table.column_names:
        chosen = choose_columns(raw, image, id_column)
        image, id_column = chosen.image, chosen.id
    problems: list[str] = []
    found = [
        split
        if split.name == "train" or image in split.table.column_names
        else _with_image_column(split, image, id_column, finder, problems)
        for split in raw
    ]
    if problems:
        raise UserError(problems)
    return found


def _with_image_column(
    split: RawSplit, image: str, id_column: str | None, finder: ImageFinder, problems: list[str]
) -> RawSplit:
    there = split.table.column_names
    usual = [name for name in there if name.lower() in {*IMAGE_NAMES, *ID_NAMES}]
    leading = [name for name in usual if _leads_to_files(split, name, finder)]
    if len(leading) != 1:
        reason = (
            f"{' and '.join(map(repr, leading))} both lead to files" if leading else "no other column leads to files"
        )
        problems.append(
            f"{split.origin}, split {split.name}: no column {image!r}, which other splits have for the images, and "
            f"{reason}. It has: {', '.join(there)}. Give every split the same names of its image and id columns"
        )
        return split
    (column,) = leading
    if column == id_column:
        cells = Dataset(pa.table({image: column_of(split.table, column)}))
        table = concatenate_datasets([split.table, cells], axis=1)
    else:
        table = split.table.rename_column(column, image)
    note = f"its column {column!r} holds the images, as {image!r} does in the training table"
    return replace(split, table=table, notes=(*split.notes, note))


def _leads_to_files(split: RawSplit, column: str, finder: ImageFinder) -> bool:
    """Whether a column holds text, and its first cells lead to files."""
    cells = column_of(split.table, column)[:_ROWS_TRIED].to_pylist()
    try:
        return bool(cells) and all(
            isinstance(cell, str) and finder.find(cell, split.bases, split.image_dirs) for cell in cells
        )
    except NoImageError:
        return False
