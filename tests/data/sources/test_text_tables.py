"""CSV tables: cells stay text, and what is wrong with a table is named with its line."""

from __future__ import annotations

import pytest
from sources_drawn import draw, kaggle, load_source, problems, quiet_caches, write  # noqa: F401


def test_cells_stay_text_and_empty_ones_are_unlabelled(tmp_path):
    cells = ["001", "NA", "null", "True", "1e3", "nan", ""]
    rows = "".join(f"{index}.png,{cell}\n" for index, cell in enumerate(cells))
    kaggle(tmp_path, "filename,label\n" + rows, *(f"{index}.png" for index in range(len(cells))))
    assert load_source(str(tmp_path)).splits["train"]["label"][:] == [*cells[:-1], None]


def test_byte_order_mark_crlf_quotes_blank_lines_and_spaces_are_understood(tmp_path):
    text = '\ufefffilename, label \r\n\r\n"a, b.png"," x ""y"" "\r\n c.png ,"two\r\nlines"\r\n'
    loaded = load_source(str(kaggle(tmp_path, text, "a, b.png", "c.png")))
    assert loaded.splits["train"]["id"][:] == ["a, b.png", "c.png"]
    assert loaded.splits["train"]["label"][:] == ['x "y"', "two\r\nlines"]


def test_class_names_in_metadata_csv_stay_text(tmp_path):
    draw(tmp_path / "train" / "a.png")
    write(tmp_path / "train" / "metadata.csv", "file_name,label\na.png,001\n")
    assert load_source(str(tmp_path)).splits["train"]["label"][:] == ["001"]


BROKEN_TABLES = {
    "short row": ("filename,label\na.png\n", "line 2: 1 cells, but the header has 2 columns"),
    "long row": ("filename,label\na.png,x,y\n", "line 2: 3 cells, but the header has 2 columns"),
    "doubled column": ("filename,x,x\na.png,1,2\n", "line 1: column 'x' stands twice"),
    "column without a name": (",filename\nx,a.png\n", "line 1: column 1 has no name"),
    "second column without a name": ("filename,\na.png,0\n", "line 1: column 2 has no name"),
    "only column without a name": ('""\n0\n', "line 1: column 1 has no name"),
    "column without a name that leaves out a row": (
        ",filename,label\n0,a.png,x\n2,a.png,x\n",
        "line 1: column 1 has no name. Name it, or remove it (pandas: to_csv(index=False)). It would be left out if it "
        "counted the rows, but line 3 has '2' in place of 1",
    ),
    "open quote": ('filename,label\n\na.png,"x\n', "line 3"),
    "quote that takes the rows that follow": ('filename,label\na.png,"x\na.png,y\na.png,z\n', "line 2"),
    "text behind a quote": ('filename,label\na.png,"x"y\n', "line 2"),
    "no rows": ("filename,label\n", "no rows"),
    "no text": ("", "the file is empty"),
    "doubled id": (
        "filename,label\na.png,x\n\na.png,y\n",
        "line 4: id 'a.png' (column 'filename') stands also in line 2",
    ),
    "empty id": ("filename,label\n,y\n", "line 2: the id (column 'filename') is empty"),
    "missing image": (
        "filename,label\na.png,x\nb.png,y\n",
        "line 3: image 'b.png' (column 'filename'): there is no such",
    ),
    "folder for an image": ("filename\nsub\n", "line 2: image 'sub'"),
    "URL": ("filename\nhttp://host/a.png\n", "line 2: image 'http://host/a.png' (column 'filename'): it is a URL"),
    "file URL": ("filename\nfile:///etc/hostname\n", "it is a URL"),
    "NUL in a cell": ("filename\n\na\0.png\n", "line 3: a NUL character"),
    "NUL in the header": ("fil\0ename,label\na.png,x\n", "line 1: a NUL character, which is no text. Remove it"),
    "delimiters that both fit": (
        "filename,a|b\na.png,x|y\n",
        "line 1: the header and all rows can be split by commas (2 columns) and by pipes (2 columns). Say which",
    ),
    "delimiters that both do not fit": ("filename,a|b\na.png\n", "line 2: 1 cells, but the header has 2 columns"),
    "short row between semicolons": ("filename;label\na.png\n", "Add or remove semicolons"),
}


@pytest.mark.parametrize("kind", BROKEN_TABLES)
def test_a_broken_table_is_an_error_with_file_line_and_rule(kind, tmp_path):
    text, rule = BROKEN_TABLES[kind]
    (tmp_path / "sub").mkdir()
    message = problems(kaggle(tmp_path, text, "a.png"))
    assert rule in message and str(tmp_path / "train.csv") in message


def test_a_table_that_is_not_utf8_is_an_error_with_its_line(tmp_path):
    (tmp_path / "train.csv").write_bytes("filename,label\na.png,x\nb.png,é\n".encode("latin-1"))
    assert "line 3: byte 0xe9 is not UTF-8" in problems(tmp_path)


def test_all_missing_images_of_all_splits_are_reported_at_once(tmp_path):
    rows = "".join(f"{index}.png\n" for index in range(25))
    write(tmp_path / "test.csv", "filename\ngone.png\n")
    message = problems(kaggle(tmp_path, "filename\n" + rows))
    assert message.count("there is no such file") == 11
    assert "... and 15 more rows without an image" in message and "gone.png" in message
