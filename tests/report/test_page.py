"""The report of real runs: whole, safe, the same each time, and honest where something is missing."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
import report_folders
import report_pages
from report_pages import CLASSES, LABELS, MESSAGE, Made

import mtl_accel
from mtl_accel.core.errors import UserError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return report_pages.make(tmp_path_factory.getbasetemp() / "report-pages")


@pytest.fixture
def mine(made: Made, tmp_path: Path) -> Made:
    """A copy to change."""
    return report_pages.copy(made, tmp_path)


class Reader(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.parts: list[str] = []
        self.feed(page.read_text())
        self.text = re.sub(r"\s+", " ", " ".join(self.parts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def written(made: Made, runs: list[Path] | None = None) -> Reader:
    with report_pages.with_small_pair():
        return Reader(mtl_accel.write_report(runs or made.runs, made.page))


def test_the_page_shows_every_part(made: Made) -> None:
    text = Reader(made.page).text
    for words in ("Leaderboard", "What is different", "Curves", "Overfitting", "Label by label", "Learning rate"):
        assert words in text
    for change in ("name: AdamW → SGD", "lr: 0.003 → 0.01", "weight_decay: 0.01 → 0.0", "momentum: none → 0.5"):
        assert f"optimizer.{change}" in text
    for name in (*CLASSES, *LABELS, MESSAGE, *(run.name for run in made.runs)):
        assert name in text
    assert "There is no finished model to look into; the run's state is: failed." in text
    assert "Thresholds of attribute: 0.5 beside the fitted ones" in text and "cross-fitted" in text
    assert "v1, the source" in text and "0.564038" in text


def test_balance_of_the_tasks_is_shown_where_a_run_has_it_and_nowhere_else(made: Made, tmp_path: Path) -> None:
    text, plain = Reader(made.page).text, made.page.with_suffix(".md").read_text()
    assert "Steps in which the gradients of two tasks are in conflict" in text
    for words in (
        "## Balance of the tasks",
        "| v1 | category and attribute | 4 |",  # 24 images of batches of 8, two epochs
        "multiplies each task's loss",
    ):
        assert words in plain
    page = mtl_accel.write_report(made.runs[1:2], tmp_path / "report.html")
    for content in (page.read_text(), page.with_suffix(".md").read_text()):
        assert "Balance of the tasks" not in content and "cosine" not in content.lower()


def test_no_name_becomes_mark_up(made: Made) -> None:
    reader = Reader(made.page)
    assert not {"script", "b", "iframe", "object"} & {tag for tag, _ in reader.tags}
    attributes = [(name, value or "") for _, attrs in reader.tags for name, value in attrs.items()]
    assert [name for name, _ in attributes if name.startswith("on")] == []
    links = [value for name, value in attributes if name in ("src", "href", "action", "data")]
    assert [link[:40] for link in links if not re.match("#|data:", link)] == []


def test_every_picture_says_what_is_true_and_what_was_predicted(made: Made) -> None:
    images = [attrs for tag, attrs in Reader(made.page).tags if tag == "img"]
    pictures = [attrs for attrs in images if attrs.get("class") != "drawing"]
    assert pictures
    for picture in pictures:
        assert re.fullmatch(r"\d+\.png: true .+, predicted .+", picture["alt"] or "", re.DOTALL)
        assert (picture["src"] or "").startswith("data:image/jpeg;base64,")


def test_every_figure_has_its_table_in_markdown_too(made: Made) -> None:
    text = made.page.with_suffix(".md").read_text()
    for caption in ("Best validation value", "Overfitting", "Each class of category", "Thresholds of attribute"):
        assert f"**{caption}" in text
    assert "- optimizer.name: AdamW → SGD" in text
    assert "<script" not in text and "<img" not in text and "<b>" not in text


def test_the_csv_is_the_comparison(made: Made) -> None:
    frame = pd.read_csv(made.page.with_name("leaderboard.csv"), dtype={"run": str, "config": str})
    expected = mtl_accel.compare(made.runs)
    assert list(frame.columns) == list(expected.columns)
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_what_is_computed_is_what_the_run_logged(made: Made) -> None:
    kept = json.loads((made.runs[0] / "report.json").read_text())
    best = mtl_accel.compare(made.runs).iloc[0]
    figures = {name: value for task in kept["tasks"] for name, value in task["metrics"].items()}
    assert figures["category/accuracy"] == best["category/accuracy"]
    assert figures["attribute/f1_macro"] == best["attribute/f1_macro"]
    assert "Data or machine are not those of the run" not in Reader(made.page).text


def test_a_second_report_runs_no_model_and_has_the_same_bytes(mine: Made) -> None:
    written(mine)
    before = mine.page.read_bytes()
    shutil.rmtree(mine.source)
    mtl_accel.write_report(mine.runs, mine.page)  # the pair of these runs is not even known here
    assert mine.page.read_bytes() == before


@pytest.mark.parametrize("damage", ["", "{}", "nothing"])
def test_what_is_kept_of_another_model_or_damaged_is_computed_anew(mine: Made, damage: str) -> None:
    kept = mine.runs[0] / "report.json"
    if damage:
        kept.write_text(damage)
    else:
        description = mine.runs[0] / "model" / "config.json"
        described = json.loads(description.read_text())
        described["tasks"]["attribute"]["thresholds"] = [0.9, 0.9, 0.9]
        description.write_text(json.dumps(described))
    written(mine)
    thresholds = [label["threshold"] for label in json.loads(kept.read_text())["tasks"][1]["labels"]]
    assert (thresholds == [0.9, 0.9, 0.9]) == (not damage)


def test_data_that_are_gone_are_reported_in_the_page_and_the_rest_is_there(mine: Made) -> None:
    shutil.rmtree(mine.source)
    text = written(mine).text
    assert text.count("The model was not evaluated on its validation images:") == 2
    assert str(mine.source) in text and "Leaderboard" in text and "Overfitting" in text


def test_data_that_are_not_those_of_the_run_are_reported(mine: Made) -> None:
    table = mine.source / "val.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([lines[0], *lines[3:7]]) + "\n")
    assert "Data or machine are not those of the run" in written(mine).text


def test_runs_with_different_tasks_show_what_they_share(made: Made, tmp_path: Path) -> None:
    config = report_folders.config(tasks={"category": {"kind": "multiclass", "column": "category"}})
    alone = report_folders.write(tmp_path / "alone", config, report_folders.epochs((0.5, None)))
    text = written(made._replace(page=tmp_path / "report.html"), [made.runs[0], alone]).text
    assert "All of them have: Category accuracy. Attribute F1 (macro) is not in: alone ." in text
    assert "tasks.attribute.kind: multilabel → none" in text


def test_seeds_of_one_config_are_averaged_in_the_page(tmp_path: Path) -> None:
    folders = [
        report_folders.write(
            tmp_path / f"v5-seed{n}", report_folders.config(seed=n), report_folders.epochs((n / 4, 0.5))
        )
        for n in (1, 2, 3)
    ]
    formula = report_folders.write(tmp_path / "=1+1", report_folders.config("v3"))
    page = mtl_accel.write_report([*folders, formula], tmp_path / "report.html")
    assert "\n'=1+1," in page.with_name("leaderboard.csv").read_text()  # a spreadsheet runs no name
    text = Reader(page).text
    assert "Mean and standard deviation over seeds" in text and "0.5000 ± 0.2500" in text
    assert "seed: 1 → 2" in text


def test_a_run_folder_that_cannot_be_written_is_reported_all_the_same(
    mine: Made, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (mine.runs[0] / "report.json").unlink()
    (mine.runs[0] / "report.json").mkdir()
    assert "Thresholds of attribute" in written(mine).text
    assert "are not kept" in caplog.text


def script(*arguments: str) -> int:
    with pytest.MonkeyPatch.context() as patch, report_pages.with_small_pair():
        patch.setattr(sys, "argv", ["launch/report.py", *arguments])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(ROOT / "launch" / "report.py"), run_name="__main__")
    return int(end.value.code or 0)


def test_the_script_writes_the_page_and_says_where(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "new" / "page.html"
    assert script(*map(str, made.runs), "--output", str(page)) == 0
    assert capsys.readouterr().out == f"report: {page}\n"
    assert sorted(path.name for path in page.parent.iterdir()) == ["leaderboard.csv", "page.html", "page.md"]


def test_what_a_user_gets_wrong_is_reported_in_lines_without_a_traceback(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script(str(tmp_path), str(tmp_path / "absent"), "--output", str(tmp_path / "x.html")) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and all(line.startswith("error: ") for line in lines)
    assert script(str(made.runs[0]), "--output", str(tmp_path / "report.pdf")) == 2
    assert "must be the page to write" in capsys.readouterr().err


def test_without_jinja_the_error_says_what_to_install(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UserError, match=r"pip install 'mtl_accel\[report\]'"):
        mtl_accel.write_report(made.runs)
