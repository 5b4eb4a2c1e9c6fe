"""What keeps the tables from being read, and what reading has inferred."""

from __future__ import annotations

from collections.abc import Iterator

from ....data.labels.label_checks import label_warnings
from ..findings import Finding, error, note, table, warning
from ..survey import Survey


def check_reading(survey: Survey) -> Iterator[Finding]:
    """One error for each problem of files, columns and cells, and one warning for each that reading has logged."""
    for problem in survey.problems:
        yield error("reading", problem)
    for message in survey.warnings:
        yield warning("reading", message)
    if survey.labelled is not None and survey.labelled.notes:
        rows = [(line,) for line in survey.labelled.notes]
        yield note(
            "reading",
            "What was inferred from files and columns",
            "A wrong line can be corrected by a knob of data or tasks.",
            tables=(table("Lines that a run's log begins with", ("inferred",), rows),),
        )


def check_labels(survey: Survey) -> Iterator[Finding]:
    """The warnings that every run's log begins with."""
    if survey.labelled is not None and "train" in survey.labelled.targets:
        for message in label_warnings(survey.labelled):
            yield warning("labels", message)
