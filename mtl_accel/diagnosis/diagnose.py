"""Diagnose: all checks over one pass of a data set, written as a page, as Markdown and as JSON."""

from __future__ import annotations

from pathlib import Path

from ..config import Config
from .checks import CHECKS
from .findings import Diagnosis
from .page import write_diagnosis
from .survey import survey


def diagnose(config: Config, *, output: str | Path | None = None) -> Diagnosis:
    """Read everything of a config's data set without training, and say what is wrong or suspicious.

    Args:
        output: page to write, such as doctor.html; doctor.md and doctor.json go beside it. None: nothing is written.

    Raises:
        UserError: `output` cannot be written. What is wrong with the data is a finding of severity ERROR.
    """
    found = survey(config)
    findings = tuple(finding for check in CHECKS.values() for finding in check(found))
    diagnosis = Diagnosis(config.data.source, findings, found.facts)
    if output is not None:
        write_diagnosis(diagnosis, output)
    return diagnosis
