"""Figures that the author of the five notebooks measured, on images that are not public."""

from __future__ import annotations

from typing import NamedTuple

from .runs import RunRecord


class Reference(NamedTuple):
    """By metric: what Kaggle said of the test images, and validation after the last epoch where the source shows it."""

    kaggle: dict[str, str]
    last_epoch: dict[str, float]


def _reference(category: str, attribute: str, *validation: float) -> Reference:
    names = ("category/accuracy", "attribute/f1_macro", "loss")
    kaggle = {names[0]: f"Kaggle {category}", names[1]: f"Kaggle {attribute}"}
    return Reference(kaggle, dict(zip(names, validation, strict=False)))


REFERENCES = {
    "v1": _reference("0.56459", "0.48248", 0.564038, 0.230137, 3.107735),
    "v2": _reference("0.58291", "0.49437", 0.589544, 0.236589, 2.952693),
    "v3": _reference("0.6127", "0.50593"),
    "v4": _reference("0.60875", "0.5312", 0.619573, 0.338771, 2.953790),
    "v5": _reference("0.62530", "0.53728", 0.629342, 0.302379, 2.795649),
}


def find(record: RunRecord) -> Reference | None:
    """The source's figures for a run whose folder is named v1 to v5."""
    return REFERENCES.get(record.folder.name)


def last_epoch(record: RunRecord, metric: str) -> float | None:
    """Validation of the source's own run after its last epoch."""
    measured = find(record)
    return measured.last_epoch.get(metric) if measured else None
