"""What keeps the tables from being read."""

from __future__ import annotations

from collections.abc import Iterator

from ..findings import Finding, error
from ..survey import Survey


def check_reading(survey: Survey) -> Iterator[Finding]:
    """One error for each problem that reading found."""
    for problem in survey.problems:
        yield error("reading", problem)
