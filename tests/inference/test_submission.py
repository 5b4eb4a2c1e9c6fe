"""Submissions in their two usual forms; cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import re
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_accel.core.csv_cells import csv_line, escape_formula
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Kind, Task
from mtl_accel.inference import submission
from mtl_accel.inference.submission import Submission, default_submission, format_csv
from mtl_accel.metrics.registry import primary_metric

HOSTILE = ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\uff1d1", '=HYPERLINK("u";"x")', "-1.jpg"]
NUMBERS = ["-1", "+1", "-1.5", "-.5", "+1e5", "-1E-05", "0", "1."]
# Any text that a table can hold, most of it such as a spreadsheet looks at. Python 3.10 reads no CSV with NUL in it.
TEXTS = st.text(st.sampled_from("=+-@\t\r\n' \",;a1.\0\ufeff\uff1d")) | st.text(st.characters(codec="utf-8"))
TEXTS = TEXTS if sys.version_info >= (3, 11) else TEXTS.filter(lambda text: "\0" not in text)


def task(name: str, kind: Kind, *classes: str, delimiter: str = " ") -> Task:
    columns = (name,) if kind == "multiclass" else classes
    return Task(name, kind, columns, classes, primary_metric(kind), delimiter=delimiter)


def restored(cell: str) -> str:
    """What README says: take away an apostrophe that stands before such a text."""
    return cell[1:] if cell.startswith("'") and escape_formula(cell[1:]) == cell else cell


@pytest.mark.parametrize("cell", HOSTILE)
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(cell):
    assert escape_formula(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", [*NUMBERS, "", "shirt", "a=b", "1-2", "'quoted", "x.jpg", "#"])
def test_numbers_and_plain_text_stay_what_they_are(cell):
    assert escape_formula(cell) == cell


@given(TEXTS)
def test_no_cell_begins_as_a_formula_and_every_one_can_be_restored(cell):
    shown = escape_formula(cell)
    number = re.fullmatch(r"[+-]?[\d.]+([eE][+-]?\d+)?", shown)
    assert number or not re.match(r"\s*[=+\-@]|[\t\r\n]", shown)
    assert restored(shown) == cell


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), min_size=1))
def test_any_cells_are_read_back_as_they_were_written(rows):
    written = "".join(map(csv_line, rows))
    assert list(csv.reader(io.StringIO(written, newline=""), strict=True)) == rows


def rows_of(written: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written, newline=""), strict=True))


def test_the_two_usual_forms():
    answers = pd.DataFrame({"file": ["b.png", "a.png"], "kind": ["dress", "coat"], "zip": [1, 0], "hood": [1, 0]})
    kind, labels = task("kind", "multiclass", "coat", "dress"), task("labels", "multilabel", "zip", "hood")
    assert (
        format_csv(default_submission(kind, ["kind"], "file", "columns"), answers, ["kind"])
        == "file,kind\nb.png,dress\na.png,coat\n"
    )
    names = ["zip", "hood"]
    assert (
        format_csv(default_submission(labels, names, "file", "columns"), answers, names)
        == "file,zip,hood\nb.png,1,1\na.png,0,0\n"
    )
    assert (
        format_csv(default_submission(labels, names, "file", "list"), answers, names)
        == "file,labels\nb.png,zip hood\na.png,\n"
    )


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_written_as_numbers_to_the_last_digit(values):
    price = task("price", "regression", "price")
    answers = pd.DataFrame({"id": [str(row) for row in range(len(values))], "price": values})
    _, *rows = rows_of(format_csv(default_submission(price, ["price"], "id", "columns"), answers, ["price"]))
    assert [float(cell) for _, cell in rows] == values


@given(st.lists(TEXTS, min_size=1, max_size=6, unique=True), st.lists(TEXTS, min_size=1, unique=True))
def test_hostile_classes_and_ids_are_written_harmless_and_raw_as_they_are(classes, ids):
    kind = task("kind", "multiclass", *classes)
    chosen = [classes[row % len(classes)] for row in range(len(ids))]
    answers = pd.DataFrame({"=id": pd.Series(ids, dtype=object), "kind": pd.Series(chosen, dtype=object)})
    plan = default_submission(kind, ["kind"], "=id", "columns")
    header, *rows = rows_of(format_csv(plan, answers, ["kind"]))
    assert header == ["'=id", "kind"]
    assert rows == [
        [escape_formula(identifier), escape_formula(name)] for identifier, name in zip(ids, chosen, strict=True)
    ]
    assert rows_of(format_csv(plan, answers, ["kind"], raw=True)) == [
        ["=id", "kind"],
        *map(list, zip(ids, chosen, strict=True)),
    ]


def test_a_list_that_could_not_be_told_apart_is_refused():
    labels = task("labels", "multilabel", "long sleeves", "zip")
    with pytest.raises(
        UserError, match=r"separated by ' ', labels such as 'long sleeves' would be split \(1 of 2 would\)"
    ):
        default_submission(labels, ["long sleeves", "zip"], "id", "list")
    parted = task("labels", "multilabel", "long sleeves", "zip", delimiter=";")
    plan = default_submission(parted, ["long sleeves", "zip"], "id", "list")
    answers = pd.DataFrame({"id": ["1"], "long sleeves": [1], "zip": [1]})
    assert format_csv(plan, answers, ["long sleeves", "zip"]) == "id,labels\n1,long sleeves;zip\n"


def test_a_task_cannot_name_a_file_outside_of_the_folder():
    plan = Submission(task("../../x", "multiclass", "a"), ("id", "x"), (submission.Part.ID, 0), np.arange(1))
    with pytest.raises(UserError, match="cannot be a part of a file's name"):
        _ = plan.file_name
