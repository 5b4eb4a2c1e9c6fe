"""The diagnosis on the disk: one page without script or network, the same as Markdown, and all rows as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...core import atomic_io
from ...core.errors import UserError, import_extra
from ...report.tables import Table, markdown
from ...report.text import escape_markdown, legible
from .findings import Diagnosis, Finding, Severity

_TEMPLATE = "doctor.html.jinja"
_MAX_OPEN_ROWS = 15  # of a table on the page; a longer one opens when it is tapped
_MAX_ROWS = 60  # of a table on the page and in Markdown


def write_diagnosis(diagnosis: Diagnosis, output: str | Path) -> Path:
    """Write the page, and beside it, say beside doctor.html, doctor.md and doctor.json; returns the page's path.

    Raises:
        UserError: the output is no .html file or cannot be written, or jinja2 is not installed.
    """
    path = page_path(output)
    page = _template().render(
        diagnosis=diagnosis, severities=list(reversed(Severity)), cut=_cut, max_open_rows=_MAX_OPEN_ROWS
    )
    texts = {
        path: page,
        path.with_suffix(".md"): _markdown(diagnosis),
        path.with_suffix(".json"): json.dumps(_as_json(diagnosis), indent=1, ensure_ascii=False) + "\n",
    }
    for place, text in texts.items():
        # A file's name may hold bytes that are no text; they are shown as question marks.
        atomic_io.write_bytes(place, text.encode("utf-8", "replace"))
    return path


def page_path(output: str | Path) -> Path:
    """Path of the page to write. Raises UserError if it is none."""
    path = Path(output).expanduser()
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise UserError(f"--output: {path} must be the page to write, a file that ends in .html, such as doctor.html")
    return path


def _template():  # type: ignore[no-untyped-def]
    jinja2 = import_extra("report", "jinja2")[0]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader("mtl_accel.preflight.diagnosis", "."), jinja2.PackageLoader("mtl_accel.report", ".")]
        ),
        autoescape=True,
        finalize=_legible,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(_TEMPLATE)


def _legible(value: Any) -> Any:
    """Text as `legible` makes it; mark-up that jinja2 has made, and what is no text, as it is."""
    return legible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _cut(table: Table) -> Table:
    """The first rows of a table; its caption says how many are left out."""
    rest = len(table.rows) - _MAX_ROWS
    if rest <= 0:
        return table
    caption = f"{table.caption} (the first {_MAX_ROWS} of {len(table.rows)} rows; all are in the JSON)"
    return replace(table, caption=caption, rows=table.rows[:_MAX_ROWS])


def _markdown(diagnosis: Diagnosis) -> str:
    parts = [f"# Diagnosis of {escape_markdown(diagnosis.source)}"]
    parts += ["\n".join(f"- {name}: {escape_markdown(value)}" for name, value in diagnosis.facts.items())]
    for severity in reversed(Severity):
        if found := diagnosis.of(severity):
            parts += [f"## {severity.title.capitalize()}s", *(part for finding in found for part in _section(finding))]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _section(finding: Finding) -> Iterator[str]:
    yield f"### {escape_markdown(finding.title)}"
    yield escape_markdown(finding.text)
    yield from (markdown(_cut(table)) for table in finding.tables)


def _as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "source": diagnosis.source,
        "severity": diagnosis.severity.title,
        "facts": dict(diagnosis.facts),
        "findings": [
            {
                "severity": finding.severity.title,
                "check": finding.check,
                "title": finding.title,
                "text": finding.text,
                "tables": [_rows(table) for table in finding.tables],
                "values": dict(finding.values),
            }
            for finding in diagnosis.findings
        ],
    }


def _rows(table: Table) -> dict[str, Any]:
    rows = [[cell.text for cell in row.cells] for row in table.rows]
    return {"caption": table.caption, "columns": list(table.head), "rows": rows}
