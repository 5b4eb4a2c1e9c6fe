"""Delimiter and encoding of text tables are found where they are certain, can be named, and are one line in the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sources_drawn import draw, kaggle, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.config import read_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.sources.table_cache import digest_of

QUICKSTART = Path(__file__).parents[3] / "configs" / "quickstart.json"
ROWS = ["filename,label,a", "0.png,x,0", '1.png,"é",1', "2.png,,0"]
CELLS = {"id": ["0.png", "1.png", "2.png"], "label": ["x", "é, z", None], "a": ["0", "1", "0"]}
NAMED = {";": "semicolons", "\t": "tabs", "|": "pipes"}


def _lines(delimiter: str) -> str:
    return "\n".join(row.replace(",", delimiter) for row in ROWS).replace('é"', 'é, z"')


def _folder(root, content: bytes):
    for name in CELLS["id"]:
        draw(root / name)
    (root / "train.csv").write_bytes(content)
    return root


def _cells(source) -> dict:
    return {name: source.splits["train"][name][:] for name in CELLS}


@pytest.mark.parametrize("delimiter", NAMED)
def test_a_delimiter_is_found_and_noted_or_named_and_not_noted(delimiter, tmp_path):
    folder = _folder(tmp_path, _lines(delimiter).encode())
    found, named = load_source(folder), load_source(folder, delimiter=delimiter)
    assert _cells(found) == _cells(named) == CELLS
    assert found.notes == (f"train.csv: its columns are separated by {NAMED[delimiter]} (data.delimiter)",)
    assert not named.notes and named.fingerprint == found.fingerprint


def test_commas_in_utf8_are_no_inference_and_read_under_the_digest_of_the_file(tmp_path):
    plain = load_source(_folder(tmp_path, _lines(",").encode()))
    assert _cells(plain) == CELLS and not plain.notes
    assert plain.origins["train"].key == digest_of(tmp_path / "train.csv")
    named = load_source(tmp_path, delimiter=",", encoding="UTF8")
    assert named.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("encoding", "noted"),
    [("utf-16", True), ("utf-8-sig", False), ("cp1252", False), ("utf-16-le", False), ("utf-32", False)],
)
def test_an_encoding_is_found_by_its_byte_order_mark_or_named(encoding, noted, tmp_path):
    folder = _folder(tmp_path, _lines("\t").encode(encoding))
    notes = ["train.csv: its text is UTF-16, by the byte order mark (data.encoding)"] if noted else []
    known = encoding in ("utf-16", "utf-8-sig")
    source = load_source(folder, **({} if known else {"encoding": encoding}))
    assert _cells(source) == CELLS
    assert list(source.notes) == [*notes, "train.csv: its columns are separated by tabs (data.delimiter)"]
    assert _cells(load_source(folder, encoding=encoding)) == CELLS


@pytest.mark.parametrize(
    ("content", "options", "rule"),
    [
        (b"filename,label\n0.png,\xe9\n", {}, "line 2: byte 0xe9 is not UTF-8 (at byte 21 of the file)"),
        (b"filename\xe9,label\n0.png,x\n", {}, "line 1: byte 0xe9 is not UTF-8"),
        (b"filename,label\n0.png,\x81\n", {"encoding": "cp1252"}, "line 2: byte 0x81 is not CP1252"),
        (b"\xff\xfef\x00\n\x00x", {}, "line 2: byte 0x78 is not UTF-16"),
        ("filename,label\n0.png,x\n".encode("utf-16-le"), {}, "--data.encoding utf-16-le"),
        (b"filename,label\n0.png,x\n", {"encoding": "utf-32"}, "is not UTF-32"),
    ],
)
def test_wrong_bytes_are_an_error_with_file_line_offset_and_knob(content, options, rule, tmp_path):
    message = problems(_folder(tmp_path, content), **options)
    assert rule in message and str(tmp_path / "train.csv") in message and "data.encoding" in message


def test_a_delimiter_may_stand_in_the_names_of_columns_if_the_rows_tell(tmp_path):
    kaggle(tmp_path, "filename,size|cm\n0.png,1\n", "0.png")
    assert load_source(tmp_path).splits["train"]["size|cm"][:] == ["1"]
    kaggle(tmp_path, 'filename;"a,b"\n0.png;1\n')
    assert load_source(tmp_path).splits["train"]["a,b"][:] == ["1"]
    kaggle(tmp_path, "filename,a|b\n0.png,x|y\n")
    assert load_source(tmp_path, delimiter=",").splits["train"]["a|b"][:] == ["x|y"]


def test_a_header_without_a_delimiter_names_one_column(tmp_path):
    assert load_source(kaggle(tmp_path, "text\n0.png\n", "0.png")).splits["train"]["id"][:] == ["0.png"]


def test_a_named_delimiter_that_does_not_split_the_header_is_an_error(tmp_path):
    message = problems(kaggle(tmp_path, "filename;label\n0.png;x\n", "0.png"), delimiter="|")
    assert "line 1: the header 'filename;label' has no pipe. Separate the columns by pipes, or name" in message


def test_all_tables_of_a_source_are_one_line_of_the_log(tmp_path):
    write(tmp_path / "val.csv", "filename;label\n0.png;x\n")
    source = load_source(kaggle(tmp_path, "filename;label\n0.png;x\n", "0.png"))
    assert source.notes == ("train.csv, val.csv: its columns are separated by semicolons (data.delimiter)",)


@pytest.mark.parametrize("start", [0, 1])
def test_a_first_column_without_a_name_that_counts_the_rows_is_left_out(start, tmp_path):
    rows = "".join(f"{index},a.png,{index}\n" for index in range(start, start + 2500))
    kaggle(tmp_path, ",filename,key\n" + rows, "a.png")
    for _ in range(2):  # the second time from the cache
        source = load_source(tmp_path, id_column="key")
        assert source.splits["train"].column_names == ["id", "image"] and len(source.splits["train"]) == 2500
        assert source.notes == (
            "train.csv: its first column has no name and counts the rows, and is not used (data.index_column)",
        )


def test_json_lines_are_read_in_utf16_and_a_key_with_nul_is_an_error(tmp_path):
    draw(tmp_path / "0.png")
    row = {"file_name": "0.png", "label": "é"}
    (tmp_path / "metadata.jsonl").write_bytes(json.dumps(row, ensure_ascii=False).encode("utf-16"))
    source = load_source(tmp_path)
    assert source.splits["train"]["label"][:] == ["é"] and "UTF-16" in source.notes[0]
    write(tmp_path / "metadata.jsonl", json.dumps({**row, "a\0": 1}))
    assert "line 1: a key contains a NUL character" in problems(tmp_path)


@pytest.mark.parametrize("encoding", ["klingon", "base64", ""])
def test_an_encoding_that_python_does_not_know_is_a_problem_of_the_config(encoding):
    with pytest.raises(UserError, match=r"data\.encoding: .* is no text encoding of Python"):
        read_config(QUICKSTART, {"data.encoding": encoding})


def test_what_becomes_of_a_column_without_a_name_can_be_said(tmp_path):
    kaggle(tmp_path, ",image,label\n0,a.png,x\n1,b.png,y\n", "a.png", "b.png")
    source = load_source(tmp_path)
    assert source.inferred["data.index_column"] == "drop"
    said = load_source(tmp_path, index_column="drop")
    assert (said.fingerprint, said.notes) == (source.fingerprint, ())
    assert "column 1 has no name" in problems(tmp_path, index_column="error")
    kaggle(tmp_path, ",image,label\n7,a.png,x\n3,b.png,y\n")  # of a frame whose rows were drawn
    assert load_source(tmp_path, index_column="drop").splits["train"]["label"][:] == ["x", "y"]
    assert "--data.index_column drop" in problems(tmp_path)
