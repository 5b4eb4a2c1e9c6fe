"""Sheets of .xlsx files: cells as a reader sees them, and an error for what would be a blank without a word."""

from __future__ import annotations

import datetime
import re
import sys
import zipfile
from pathlib import Path

import openpyxl
import pytest
from sources_drawn import draw, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.data.sources.tables import spreadsheet

ROWS = [
    ["image", "label", "a", "price", "day", "zip"],
    ["0.png", 1.0, True, 2.5, datetime.date(2024, 1, 31), 12],
    ["1.png", 2, False, None, datetime.datetime(2024, 1, 31, 8, 30), 345],
]


def _book(path: Path, rows, *sheets: str) -> openpyxl.Workbook:
    for image in ("0.png", "1.png"):
        draw(path.parent / image)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name in sheets:
        book.create_sheet(name)
    book.save(path)
    return book


def _changed(path: Path, pattern: str, new: str) -> Path:
    """The workbook with another XML of its first sheet."""
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    text, count = re.subn(pattern, new, parts[sheet].decode())
    assert count
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, text if part == sheet else content)
    return path


def test_cells_are_the_text_that_a_reader_of_the_sheet_sees(tmp_path):
    path = tmp_path / "labels.xlsx"
    book = _book(path, [[], *ROWS, [], [None, "", None], [None] * 20])
    for cell in ("F3", "F4"):
        book.active[cell].number_format = "0000"
    book.save(path)
    for _ in range(2):  # the second time from the cache
        source = load_source(path)
        train = source.splits["train"]
        assert not source.notes and source.origins["train"].lines_of([0, 1]) == [3, 4]
        assert {name: train[name][:] for name in train.column_names if name != "image"} == {
            "id": ["0.png", "1.png"],
            "label": ["1", "2"],
            "a": ["true", "false"],
            "price": ["2.5", None],
            "day": ["2024-01-31", "2024-01-31 08:30:00"],
            "zip": ["0012", "0345"],
        }


def test_the_first_sheet_is_read_with_a_line_in_the_log_unless_one_is_named(tmp_path):
    path = tmp_path / "labels.xlsx"
    book = _book(path, ROWS, "other")
    assert load_source(path).notes == ("labels.xlsx: its first sheet 'Sheet' of 2 is read (data.sheet)",)
    book["other"].append(["0.png", "x"])
    book.save(path)
    named = load_source(path, sheet="other", column_names=("image", "kind"))
    assert named.splits["train"]["kind"][:] == ["x"] and not named.notes
    assert "data.sheet" in problems(path, sheet="third") and "It has: Sheet, other" in problems(path, sheet="third")


def test_a_computed_formula_is_its_value_and_another_one_is_an_error(tmp_path):
    path = tmp_path / "labels.xlsx"
    _book(path, [*ROWS, ["1.png", "=1+1"]])
    assert "sheet 'Sheet', cell B4: a formula whose value was never computed" in problems(path, id_column="zip")
    _book(path, [["image", "label", "b"], ["0.png", "=1+1", '=""']])
    _changed(path, r"</f><v ?/?>(</v>)?", "</f><v>2</v>")
    _changed(path, r'<c r="C2"[^>]*><f>.*?</v>', '<c r="C2" t="str"><f>""</f><v></v>')
    train = load_source(path).splits["train"]
    assert train["label"][:] == ["2"] and train["b"][:] == [None]


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([*ROWS, ["2.png", "#N/A"]], "sheet 'Sheet', cell B4: it holds the error #N/A. Correct it"),
        (
            [*ROWS, ["1.png", *"abcde", "f"]],
            "line 4: 7 cells, but the header has 6 columns. Fill in or clear the cells",
        ),
        ([["image", None, "a"], ["0.png", None, 1]], "line 1: column 2 has no name"),
        ([["image", "a", "a"], ["0.png", 1, 1]], "line 1: column 'a' stands twice"),
        ([["0.png", 1], ["1.png", 1]], "line 1: it names an image, '0.png', in place of the columns"),
        ([["image", "a"]], "it has a header but no rows"),
        ([], "the file is empty"),
    ],
)
def test_a_wrong_sheet_is_an_error_with_its_place(rows, rule, tmp_path):
    _book(tmp_path / "labels.xlsx", rows)
    message = problems(tmp_path / "labels.xlsx")
    assert rule in message and str(tmp_path / "labels.xlsx") in message


def test_merged_cells_are_an_error(tmp_path):
    book = _book(tmp_path / "labels.xlsx", ROWS)
    book.active.merge_cells("B2:B3")
    book.save(tmp_path / "labels.xlsx")
    assert "B2:B3 are one merged cell, so that all but one are blank" in problems(tmp_path / "labels.xlsx")


def test_a_damaged_or_hostile_file_is_an_error_that_names_it(tmp_path, monkeypatch):
    path = tmp_path / "labels.xlsx"
    _book(path, ROWS)
    whole = path.read_bytes()
    for content in (b"", b"image,label\n", whole[:3000], whole.replace(b"PK", b"KP")):
        path.write_bytes(content)
        assert f"{path}: not a readable .xlsx file" in problems(path)
    path.write_bytes(whole)
    assert "not a readable .xlsx file" in problems(_changed(path, "</sheetData>", "<"))
    path.write_bytes(whole)
    assert "more rows than a sheet can have" in problems(_changed(path, 'row r="3"', 'row r="99999999"'))
    path.write_bytes(whole)
    bomb = '<!DOCTYPE z [<!ENTITY a "' + "a" * 1000 + '"><!ENTITY b "' + "&a;" * 1000 + '">]><worksheet '
    assert "not a readable .xlsx file" in problems(_changed(path, "<worksheet ", bomb + 'x="' + "&b;" * 1000 + '" '))
    path.write_bytes(whole)
    monkeypatch.setattr(spreadsheet, "MAX_BYTES", 1000)
    assert "GiB when unpacked" in problems(path)


def test_without_the_extra_the_error_gives_the_command(tmp_path, monkeypatch):
    _book(tmp_path / "labels.xlsx", ROWS)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "pip install 'mtl_accel[xlsx]'" in problems(tmp_path / "labels.xlsx")
    write(tmp_path / "labels.xls", "")
    assert "is a file. Give the folder that it lies in, or one of .csv" in problems(tmp_path / "labels.xls")
