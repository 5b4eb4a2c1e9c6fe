"""A finding: one thing that a check says of a data set, with tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from ...report.tables import Cell, Row, Table


class Severity(IntEnum):
    """How bad a finding is. The worst one of a diagnosis is the exit code of launch/doctor.py.

    An error keeps a run from starting. A warning makes its figures wrong or worse. A note is a description.
    """

    NOTE = 0
    WARNING = 1
    ERROR = 2

    @property
    def title(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Picture:
    """Pictures that belong together, with what stands below; `uris` are data URIs, "" where there is no picture."""

    caption: str
    note: str
    uris: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One thing that a check says.

    Attributes:
        check: name of the check in the registry, such as "duplicates".
        title: one line, with the number of what was found.
        text: what it means and what to do; "" if the title says all.
        tables: every row stands in the JSON; page and Markdown show the first ones.
        values: machine-readable figures, for the JSON alone.
    """

    severity: Severity
    check: str
    title: str
    text: str = ""
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """All findings of a data set, in the order of the checks. `facts` describe how it was made, by name."""

    source: str
    findings: tuple[Finding, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def severity(self) -> Severity:
        """The worst one of the findings."""
        return max((finding.severity for finding in self.findings), default=Severity.NOTE)

    @property
    def exit_code(self) -> int:
        return int(self.severity)

    def of(self, severity: Severity) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity == severity]


def note(check: str, title: str, text: str = "", **more: Any) -> Finding:
    return Finding(Severity.NOTE, check, title, text, **more)


def warning(check: str, title: str, text: str = "", **more: Any) -> Finding:
    return Finding(Severity.WARNING, check, title, text, **more)


def error(check: str, title: str, text: str = "", **more: Any) -> Finding:
    return Finding(Severity.ERROR, check, title, text, **more)


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]], num_words: int = 1) -> Table:
    """A table of the page; the first `num_words` columns hold words, the others figures."""
    cells = tuple(Row(tuple(Cell(str(value)) for value in row)) for row in rows)
    return Table(caption, tuple(head), cells, frozenset(range(num_words)))
