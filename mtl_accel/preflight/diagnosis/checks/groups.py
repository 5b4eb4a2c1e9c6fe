"""Columns of groups, such as patients or garments, with rows of one group in two splits."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from ..findings import Finding, table, warning
from ..survey import Survey
from .giveaways import other_columns

_NAMES = re.compile(
    r"(^|[\W_])(group|patient|subject|person|user|owner|author|identity|garment|product|item|article|sku|scene|video|"
    r"clip|session|series|case|study|visit|house|location|site|camera|device|batch)s?([\W_]?(id|no|nr|number|name))?$",
    re.IGNORECASE,
)
_MIN_PER_GROUP = 1.3  # rows, on average
_MIN_GROUPS = 5
_MAX_ROWS = 20  # groups shown


def check_groups(survey: Survey) -> Iterator[Finding]:
    """One warning for each column of groups that are cut by the splits."""
    if survey.labelled is None or "train" not in survey.labelled.splits:
        return
    train = other_columns(survey, "train")
    held_out = bool(survey.labelled.held_out)
    for split in [name for name in survey.labelled.splits if name != "train"]:
        columns = other_columns(survey, split)
        for name in [name for name in columns if name in train and _is_group(name, train[name])]:
            if name == survey.config.data.group_column and held_out and split == "validation":
                continue
            shared = _shared(train[name], columns[name])
            if shared:
                rows = sum(count for _, _, count in shared)
                fix = (
                    f'Set data.group_column to "{name}", and no group is cut by the hold-out.'
                    if held_out and split == "validation"
                    else f"Figures of {split} are too good if rows of one {name} look alike; split by {name}."
                )
                yield warning(
                    "groups",
                    f"{len(shared):,} values of column {name} are in train and in {split}, there in {rows:,} rows",
                    fix,
                    tables=(table("Groups in two splits", (name, "in train", f"in {split}"), shared[:_MAX_ROWS]),),
                    values={"column": name, "groups": len(shared)},
                )


def _is_group(name: str, values: pa.ChunkedArray) -> bool:
    known = len(values) - values.null_count
    groups = pc.count_distinct(values).as_py()
    return bool(_NAMES.search(name)) and groups >= _MIN_GROUPS and known >= _MIN_PER_GROUP * groups


def _shared(train: pa.ChunkedArray, other: pa.ChunkedArray) -> list[tuple[str, int, int]]:
    """Values of both, with their numbers of rows, the most frequent first."""
    counts = [
        {row["values"]: row["counts"] for row in pc.value_counts(column.cast(pa.string())).to_pylist()}
        for column in (train, other)
    ]
    both = [(value, counts[0][value], count) for value, count in counts[1].items() if value and value in counts[0]]
    return sorted(both, key=lambda row: (-row[2], row[0]))
