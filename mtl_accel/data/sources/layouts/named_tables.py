"""Tables that the config names for each split, or that were found in folders below that of the source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ....core.errors import UserError, collect
from ..splits import RawSplit
from ..tables.read_table import READERS, is_table, read_table
from ..tables.text_format import TextFormat
from .single_table import TableTrial


def read_tables(files: Mapping[str, Path], root: Path, trial: TableTrial) -> list[RawSplit]:
    """Read the table of each split, and find where its images lie: beside it or in `root`, the folder of the source.

    Raises:
        UserError: everything that is wrong with the files.
    """
    problems = _problems(files)
    splits: list[RawSplit] = []
    for split, file in files.items():
        if file.is_file() and is_table(file):
            with collect(problems):
                splits.append(_read(split, file, root, trial))
    if problems:
        raise UserError(problems)
    return splits


def _problems(files: Mapping[str, Path]) -> list[str]:
    found = []
    for split, file in files.items():
        if not file.is_file():
            found.append(
                f"data.tables.{split}: {file} is no file. Give its path, absolute or relative to data.source (where "
                "that is left out, to the working folder)"
            )
        elif not is_table(file):
            found.append(
                f"data.tables.{split}: {file} has the suffix of no table. Save it as one of {', '.join(READERS)}"
            )
        same = next((other for other in files if other != split and files[other].resolve() == file.resolve()), None)
        if same is not None and list(files).index(same) < list(files).index(split):
            found.append(
                f"data.tables.{split}: {file} is the table of {same}, too. Give each split its own; or one table as "
                "train, in which data.split_column says the split of each row"
            )
    return found


def _read(split: str, file: Path, root: Path, trial: TableTrial) -> RawSplit:
    place = trial.place(file, split, root)
    table = read_table(file, trial.cache, split, place.bases, TextFormat.of(trial.data))
    if place.other is None:
        return table
    other = os.path.relpath(place.other, file.parent)
    note = f"its images are looked for in {other}/, the only folder with images (data.image_dirs)"
    inferred = {**table.inferred, "data.image_dirs": [other]}
    return replace(table, image_dirs=(place.other,), notes=(*table.notes, note), inferred=inferred)


def with_inferred(splits: list[RawSplit], inferred: Mapping[str, Any], *notes: str) -> list[RawSplit]:
    """The splits with something that was inferred of all of them."""
    return [replace(s, notes=(*s.notes, *notes), inferred={**s.inferred, **inferred}) for s in splits]
