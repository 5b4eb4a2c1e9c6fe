"""A column of an unknown table: its distinct cells, and what it probably is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ....data.labels.cells import is_missing

Role = Literal["classes", "label", "list", "numbers", "group", "fold", "nothing"]

MAX_CLASSES = 1000
MIN_GROUPS = 8  # a hold-out of one eighth needs them
CLASS_NAMES = {"label", "class", "category", "target", "species", "breed", "type", "y"}
_MIN_ROWS_PER_CLASS = 4  # on average; of a column that is called a class, half of it
_SHOWN, _SHOWN_CHARACTERS = 3, 30


@dataclass(frozen=True)
class Column:
    """A column and what it probably is.

    Attributes:
        reason: why, in words; what else it may be.
        counts: rows of each class, or of each distinct cell; empty where they decide nothing.
        options: what a task of this column needs to say, such as {"log1p": True}.
        positive_rate: share of the labelled rows of a label that say yes.
    """

    name: str
    role: Role
    reason: str
    counts: Mapping[Any, int] = field(default_factory=dict, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    positive_rate: float = 0.0


@dataclass(frozen=True)
class Cells:
    """The distinct cells of a column that are not blank, with the number of rows of each."""

    name: str
    counts: Mapping[Any, int]

    @cached_property
    def texts(self) -> list[str]:
        """The distinct cells that do not say in words that there is no value."""
        return [cell for cell in self.counts if isinstance(cell, str) and not is_missing(cell)]

    @cached_property
    def num_rows(self) -> int:
        """Rows that have a value."""
        return sum(self.counts[text] for text in self.texts)

    @cached_property
    def numbers(self) -> np.ndarray | None:
        """The distinct cells as numbers, float64; None where one is none."""
        try:
            values = np.array([float(text) for text in self.texts])
        except ValueError:
            return None
        return values if np.isfinite(values).all() else None

    @property
    def is_unique(self) -> bool:
        return len(self.texts) == self.num_rows

    @property
    def are_few(self) -> bool:
        """Whether the distinct cells are few enough, for the rows there are, to be classes."""
        minimum = _MIN_ROWS_PER_CLASS // 2 if self.normal_name in CLASS_NAMES else _MIN_ROWS_PER_CLASS
        return len(self.texts) <= MAX_CLASSES and self.num_rows >= minimum * len(self.texts)

    @property
    def normal_name(self) -> str:
        """The name in lower case with underscores between its words: patient_id for "PatientID" and "patient id"."""
        spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name)
        return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")

    def share(self, fits: Callable[[str], bool]) -> float:
        """Share of the rows whose cells fit."""
        return sum(self.counts[text] for text in self.texts if fits(text)) / max(self.num_rows, 1)


def shown(texts: list[str]) -> str:
    """The first texts, in quotes and cut where they are long."""
    rest = ", ..." if len(texts) > _SHOWN else ""
    return (
        ", ".join(
            repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…")
            for text in texts[:_SHOWN]
        )
        + rest
    )
