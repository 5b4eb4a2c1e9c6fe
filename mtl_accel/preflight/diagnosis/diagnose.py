"""Diagnose: all checks over one pass of a data set, written as a page, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...config import Config
from ...core.progress import progress_lines
from .checks import CHECKS
from .findings import Diagnosis, Finding
from .label_errors import label_error_findings
from .page import page_path, write_diagnosis
from .survey import survey


def diagnose(
    config: Config,
    *,
    output: str | Path | None = None,
    runs: Sequence[str | Path] = (),
    run_data: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Diagnosis:
    """Read everything of a config's data set without training, and say what is wrong or suspicious.

    Args:
        output: page to write, such as doctor.html; doctor.md and doctor.json go beside it. None: nothing is written.
        runs: folders of finished runs in whose validation labels errors are looked for, such as those of all folds;
            they are listed in doctor-label-errors.csv, too.
        run_data: other data than the runs' own, such as ["--data.source", "my_photos"].
        findings: what stands before the findings of the checks, such as `Suggestion.finding()`.

    Raises:
        UserError: `output` cannot be written, or a run has no finished model. What is wrong with the data is a
            finding of severity ERROR.
    """
    page = None if output is None else page_path(output)
    table = None if page is None else page.with_name(f"{page.stem}-label-errors.csv")
    with progress_lines():
        suspected = list(label_error_findings(runs, run_data, table)) if runs else []
        found = survey(config)
        checked = [finding for check in CHECKS.values() for finding in check(found)]
    diagnosis = Diagnosis(config.data.source, (*findings, *suspected, *checked), found.facts)
    if output is not None:
        write_diagnosis(diagnosis, output)
    return diagnosis
