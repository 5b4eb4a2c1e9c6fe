"""The page, its Markdown and its JSON: names are text and nothing else, and every row stands in the JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mtl_accel.core.errors import UserError
from mtl_accel.preflight.diagnosis.findings import Diagnosis, Picture, error, note, table, warning
from mtl_accel.preflight.diagnosis.page import write_diagnosis

NASTY = "<script>alert(1)</script>|`x`\x00\n"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


def written(tmp_path: Path) -> tuple[str, str, dict]:
    rows = [(f"{NASTY}{row}", row) for row in range(200)]
    findings = (
        note("splits", NASTY, NASTY),
        warning("copies", "copies", pictures=(Picture(NASTY, NASTY, (PIXEL, "")),)),
        error("reading", "wrong cells", tables=(table(NASTY, (NASTY, "count"), rows),), values={"count": 200}),
    )
    path = write_diagnosis(Diagnosis(NASTY, findings, {"pictures": NASTY}), tmp_path / "doctor.html")
    texts = [path.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".html", ".md", ".json")]
    return texts[0], texts[1], json.loads(texts[2])


def test_names_are_text_on_the_page_and_in_markdown(tmp_path: Path) -> None:
    page, markdown, _ = written(tmp_path)
    assert "<script" not in page
    assert "<script" not in markdown
    assert "\x00" not in page + markdown
    assert page.count("&lt;script&gt;") > 60  # the rows of the table


def test_the_page_needs_no_network_and_runs_no_script(tmp_path: Path) -> None:
    page, _, _ = written(tmp_path)
    assert "default-src 'none'" in page
    assert set(re.findall(r'(?:src|href)="([^"]{0,5})', page)) == {"data:", "#erro", "#warn", "#note"}


def test_the_json_has_every_row_and_the_page_says_what_it_leaves_out(tmp_path: Path) -> None:
    page, markdown, content = written(tmp_path)
    assert [f["severity"] for f in content["findings"]] == ["note", "warning", "error"]
    (rows,) = content["findings"][2]["tables"]
    assert len(rows["rows"]) == 200
    assert rows["rows"][199] == [f"{NASTY}199", "199"]
    assert content["severity"] == "error"
    for text in (page, markdown):
        assert "the first 60 of 200 rows" in text
        assert text.lower().index("wrong cells") < text.index("copies")  # the worst first


@pytest.mark.parametrize("name", ["doctor", "doctor.txt", "."])
def test_an_output_that_is_no_page_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"--output: .* must be the page to write"):
        write_diagnosis(Diagnosis("source", ()), tmp_path / name)
