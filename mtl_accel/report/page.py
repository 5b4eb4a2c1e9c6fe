"""The report on the disk: one page without script or network, the same as Markdown, and the comparison as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from ..core import atomic_io
from ..core.csv_cells import csv_line, escape_formula
from ..core.errors import UserError, import_extra
from .content import Report, RunPart, build_report
from .records.frames import comparison_frame
from .records.mistakes import MAX_OF_A_KIND
from .records.runs import read_runs
from .records.validation import TaskFigures
from .sections.conflict_figures import MAX_DOTS
from .tables import Cell, Row, Table, markdown
from .text import escape_markdown

_TEMPLATE = "report.html.jinja"
_CSV = "leaderboard.csv"


def write_report(runs: Iterable[str | Path], output: str | Path = "report.html") -> Path:
    """Write the report of some run folders; returns the page's path.

    Beside the page, say report.html, stand report.md with the same tables, and leaderboard.csv with what `compare`
    gives. The figures of a model on its validation images are kept in its run folder.

    Raises:
        UserError: a folder that holds no run, files of a run that cannot be read, or a place that cannot be written.
    """
    path = Path(output).expanduser()
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise UserError(f"--output: {path} must be the page to write, a file that ends in .html, such as report.html")
    template = _template()
    records = read_runs(list(runs))
    frame = comparison_frame(records)
    report = build_report(records, frame)
    page = template.render(report=report, max_of_a_kind=MAX_OF_A_KIND, max_dots=MAX_DOTS)
    texts = {path: page, path.with_suffix(".md"): _markdown(report), path.with_name(_CSV): _csv(frame)}
    for place, text in texts.items():
        # A folder's name may hold bytes that are no text; they are shown as question marks.
        atomic_io.write_bytes(place, text.encode("utf-8", "replace"))
    return path


def _template():  # type: ignore[no-untyped-def]
    jinja2 = import_extra("report", "jinja2")[0]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mtl_accel.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE)


def _csv(frame: pd.DataFrame) -> str:
    rows = [list(frame.columns), *frame.itertuples(index=False)]
    return "".join(csv_line([escape_formula("" if pd.isna(cell) else str(cell)) for cell in row]) for row in rows)


def _markdown(report: Report) -> str:
    parts = ["# Report", markdown(report.leaderboard)]
    parts += [markdown(report.seeds)] if report.seeds else []
    parts += ["## What is different", *map(_changes, report.runs)]
    parts += ["## Overfitting", markdown(report.overfitting)]
    balance = [drawn.table for drawn in (report.conflicts, report.weights) if drawn]
    parts += ["## Balance of the tasks", *map(markdown, balance)] if balance else []
    for part in report.runs:
        parts += _labels(part)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _changes(part: RunPart) -> str:
    begin = "What it is" if part.before is None else f"From {escape_markdown(part.before)}"
    begin += ":" if part.changes else ": nothing is different in the config."
    lines = [f"### {escape_markdown(part.record.name)} ({part.record.state})", "", begin, ""]
    lines += [f"- {escape_markdown(change)}" for change in part.changes]
    if part.record.status.message:
        lines += ["", f"Its message: {escape_markdown(part.record.status.message)}"]
    if part.manner_changes:
        lines += ["", f"How and where it ran: {escape_markdown('; '.join(part.manner_changes))}"]
    return "\n".join(lines)


def _labels(part: RunPart) -> Iterator[str]:
    yield f"## {escape_markdown(part.record.name)} on its validation images"
    yield from map(escape_markdown, part.problems)
    for task in part.tasks:
        if task.table:
            yield markdown(task.table)
        if task.figures.mistakes:
            yield markdown(_mistakes(task.figures))


def _mistakes(task: TaskFigures) -> Table:
    rows = tuple(Row((Cell(m.id), Cell(m.true), Cell(m.predicted), Cell(m.confidence))) for m in task.mistakes)
    caption = f"{task.name}: the most confident of {task.num_mistakes} wrong answers"
    return Table(caption, ("image", "true", "predicted", "confidence"), rows, frozenset(range(4)))
