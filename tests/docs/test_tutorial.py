"""The tutorial, as a reader works through it: every command, in its order, on fewer photos."""

from __future__ import annotations

import configparser
import csv
import json
import re
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest
import real_runs as runs
from pages import Block, blocks, inline_code, pattern_of, plain
from typed import type_in

from mtl_accel.config import read_config
from mtl_accel.data.wardrobe.wardrobe import CATEGORIES

pytestmark = pytest.mark.slow

PAGE = runs.ROOT / "docs" / "tutorial.md"
INSTALL = re.compile(r'pip install -e "\.\[([\w,]+)\]"')
DRAW = "python docs/practice_photos.py photos"
FEWER = " --num_train 150 --num_test 30"  # the one thing that is not as on the page
STOPPED = 85  # exit code


class Reader:
    """Works through the page in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: list[tuple[str, int, str]] = []  # command, exit code, what it printed
        self.shown: list[tuple[str, str]] = []  # what the page shows, and what was printed in its place
        self.environment = {
            "ACCELERATE_USE_CPU": "true",
            "XDG_CACHE_HOME": str(folder / "cache"),
            "MPLCONFIGDIR": mpl.get_cachedir(),  # else fonts are searched for seconds
        }
        for name in ("launch", "configs", "docs"):
            (folder / name).symlink_to(runs.ROOT / name)

    def follow(self, block: Block) -> None:
        if block.saved_as:
            (self.folder / block.saved_as).write_text(block.text, encoding="utf-8")
        elif block.kind == "bash" and not INSTALL.match(block.text):
            self.type_in(block)
        elif block.kind == "text" and self.done:
            self.shown.append((block.text, self.done[-1][2]))

    def type_in(self, block: Block) -> None:
        stop = "===== Epoch 1 =====" if "press Ctrl-C" in block.intro else ""
        for command in block.commands():
            code, output = type_in(self.folder, command + FEWER * (command == DRAW), self.environment, stop)
            assert code == (STOPPED if stop else 0), f"{command}\n{output}"
            self.done.append((command, code, output))

    def output_of(self, start: str) -> list[str]:
        """What each command that begins so has printed."""
        return [output for command, _, output in self.done if command.startswith(start)]


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Reader:
    reader = Reader(tmp_path_factory.mktemp("reader"))
    for block in blocks(PAGE):
        reader.follow(block)
    return reader


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, rows


def test_every_block_of_the_page_is_a_command_or_saved_or_shown():
    unknown = [b.text for b in blocks(PAGE) if b.kind not in ("bash", "text") and not b.saved_as]
    assert unknown == []


def test_every_command_of_the_page_runs(reader):
    on_page = [c for b in blocks(PAGE) if b.kind == "bash" for c in b.commands() if not INSTALL.match(c)]
    assert [command for command, _, _ in reader.done] == on_page
    assert len(on_page) > 12 and DRAW in on_page


def test_each_command_prints_what_the_page_shows_but_for_numbers_and_classes(reader):
    assert len(reader.shown) > 12
    missing = [
        line
        for text, printed in reader.shown
        for line in filter(str.strip, text.splitlines())
        if not any(pattern_of(line, CATEGORIES).fullmatch(plain(p, CATEGORIES)) for p in printed.splitlines())
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("on_page", "printed", "is_same"),
    [
        ("12.5 seconds, 40 images/s, best so far", "3 seconds, 171.25 images/s, best so far", True),
        ("1.jpg coat ['zip', 'hood']", "1.jpg t-shirt []", True),
        ("coat 9 0.63 [0.29, 0.90]", "coat  4  nan  [0.1, 0.2]", True),
        ("starting: runs/first, ...", "starting: runs/first, 132 train", True),
        ("best epoch 8; curves: a.png", "best epoch 8; curve: a.png", False),
        ("raincoat: 4", "overcoat: 4", False),
        ("report: report.html", "report: report.html and more", False),
    ],
)
def test_what_is_shown_differs_in_numbers_brackets_and_classes_only(on_page, printed, is_same):
    assert bool(pattern_of(on_page, CATEGORIES).fullmatch(plain(printed, CATEGORIES))) == is_same


def test_every_file_that_the_page_names_is_there_afterwards(reader):
    suffixed = re.compile(r"[\w/]+\.(csv|json|py|html|md)|(runs|predictions)/[\w./-]+")
    names = set(filter(suffixed.fullmatch, inline_code(PAGE)))
    assert {"runs/first/curves.png", "predictions/first/predictions.parquet", "report.html", "photos.json"} <= names
    assert [name for name in sorted(names) if not (reader.folder / name).exists()] == []


def test_every_file_that_the_page_points_at_is_in_the_repository():
    links = re.findall(r"\]\(([^)]+)\)", PAGE.read_text(encoding="utf-8"))
    assert links and [link for link in links if not (PAGE.parent / link).exists()] == []


def test_what_the_page_installs_is_an_extra_that_the_tests_have():
    (extras,) = [INSTALL.match(b.text)[1].split(",") for b in blocks(PAGE) if INSTALL.match(b.text)]
    parser = configparser.ConfigParser()
    parser.read(runs.ROOT / "setup.cfg", encoding="utf-8")
    known = {name: set(filter(None, text.split("\n"))) for name, text in parser["options.extras_require"].items()}
    assert [name for name in extras if not known[name] <= known["test"]] == []


def test_the_run_that_was_stopped_goes_on_at_the_next_step(reader):
    stopped, resumed = (text for text in reader.output_of("mtl-accel train") if "runs/second" in text)
    within, step, whole = re.search(
        r"by SIGINT (?:in epoch (\d+) after step (\d+)|after epoch (\d+)),", stopped
    ).groups()
    next_one = f"epoch {within}, step {int(step) + 1}" if within else f"epoch {int(whole) + 1}, step 1"
    assert f"resuming at {next_one}: runs/second" in resumed
    assert json.loads((reader.folder / "runs/second/status.json").read_text())["status"] == "finished"


def test_the_submissions_have_the_header_the_ids_and_the_order_of_the_samples(reader):
    for task in ("category", "attribute"):
        header, rows = table(reader.folder / f"predictions/first/submission_{task}.csv")
        wanted, sample = table(reader.folder / f"photos/sample_{task}.csv")
        assert header == wanted and [row[0] for row in rows] == [row[0] for row in sample] and len(rows) == 30


def test_python_and_onnx_answer_as_the_submission_does(reader):
    (python,), (onnx,) = reader.output_of("python predict_some.py"), reader.output_of("python use_onnx.py")
    answers = pd.read_parquet(reader.folder / "predictions/first/predictions.parquet")
    for row in answers.head(3).itertuples():
        line = next(line for line in onnx.splitlines() if row.filename in line)
        attributes = [
            name for name in ("long_sleeves", "collar", "hood", "buttons", "zip", "pockets") if getattr(row, name)
        ]
        assert line == f"photos/test/{row.filename} {row.category} {attributes}"
        (line,) = [line for line in python.splitlines() if row.filename in line]
        assert line.split()[2:4] == [row.category, str(row.collar)]


def test_the_weight_given_on_the_command_line_is_the_one_difference(reader):
    first, second = (read_config(reader.folder / f"runs/{name}/config.json") for name in ("first", "second"))
    assert (first.tasks["attribute"].weight, second.tasks["attribute"].weight) == (1, 4)
    assert "- tasks.attribute.weight: 1.0 → 4.0" in (reader.folder / "report.md").read_text()
