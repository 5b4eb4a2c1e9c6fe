"""Any table is read with its labels, or refused by a UserError with problems in words."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from config_cases import small
from fuzz_cases import HOSTILE_NUMBERS, HOSTILE_TEXTS, cases, damaged
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mtl_accel.config import validate
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import read_dataset

HEADER = ["filename", "category", "big", "red", "price"]
TASKS = {
    "category": {"kind": "multiclass", "column": "category"},
    "attribute": {"kind": "multilabel", "columns": ["big", "red"]},
    "price": {"kind": "regression", "columns": ["price"]},
}
NUM = 12
ROWS = [[f"{row}.png", "abc"[row % 3], str(row % 2), str(row // 2 % 2), str(10.5 * row)] for row in range(NUM)]
CELLS = st.one_of(
    HOSTILE_TEXTS, HOSTILE_NUMBERS.map(str), st.text(max_size=6), st.sampled_from(["yes", "-1", "1.0", "x"])
)


def csv_of(rows: list[list[Any]], delimiter: str = ",") -> bytes:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return stream.getvalue().encode("utf-8", "surrogatepass")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder of pictures, whose table each case writes."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "train").mkdir()
    for row in range(NUM):
        Image.new("RGB", (4, 4), (row, 0, 0)).save(folder / "train" / f"{row}.png")
    return folder


def read(folder: Path, name: str, content: bytes, **data: Any) -> bool:
    """Read a table of these bytes, with its labels; False where a UserError says why not."""
    for old in (*folder.glob("train.*"), *folder.glob("train/metadata.*")):
        old.unlink()
    (folder / name).write_bytes(content)
    source = {"source": str(folder), "cache_dir": str(folder.parent / "cache"), **data}
    try:
        found = read_dataset(validate(small(tasks=TASKS, data=source), "c.json"))
    except UserError as error:
        assert error.problems and all(error.problems)
        return False
    for split, targets in found.targets.items():
        assert {len(labels.mask) for labels in targets.values()} == {len(found.splits[split])}
    return True


def lines_of(rows: list[list[Any]], changes: list[tuple[int, str, Any]] = ()) -> bytes:
    """Lines of JSON, with values changed by row and column."""
    objects = [dict(zip(["file_name", *HEADER[1:]], row, strict=True)) for row in rows]
    for row, column, value in changes:
        objects[row][column] = value
    return "".join(json.dumps(row) + "\n" for row in objects).encode()


def test_the_tables_that_are_changed_are_right_before(folder):
    for delimiter in (",", ";", "\t", "|"):
        assert read(folder, "train.csv", csv_of([HEADER, *ROWS], delimiter))
    assert read(folder, "train/metadata.jsonl", lines_of(ROWS))


@pytest.mark.filterwarnings("ignore")
@cases(60)
@given(content=st.sampled_from([csv_of([HEADER, *ROWS]), csv_of([HEADER, *ROWS], "\t")]).flatmap(damaged))
def test_a_text_table_of_any_bytes_is_read_or_refused(folder, content):
    read(folder, "train.csv", content)


@pytest.mark.filterwarnings("ignore")
@cases(100)
@given(
    changes=st.lists(st.tuples(st.integers(0, NUM), st.integers(0, len(HEADER) - 1), CELLS), min_size=1, max_size=4),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_cells_and_headers_are_read_or_refused(folder, changes, delimiter):
    rows = [list(row) for row in [HEADER, *ROWS]]
    for row, column, cell in changes:
        rows[row][column] = cell
    read(folder, "train.csv", csv_of(rows, delimiter))


@pytest.mark.filterwarnings("ignore")
@cases(60)
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, NUM - 1),
            st.sampled_from(["file_name", *HEADER[1:], "more", ""]),
            st.one_of(HOSTILE_NUMBERS, CELLS),
        ),
        max_size=4,
    ),
    cut=st.booleans(),
    data=st.data(),
)
def test_any_lines_of_json_are_read_or_refused(folder, changes, cut, data):
    content = lines_of(ROWS, changes)
    read(folder, "train/metadata.jsonl", data.draw(damaged(content)) if cut else content)


@pytest.mark.filterwarnings("ignore")
@cases(40)
@given(
    knobs=st.dictionaries(
        st.sampled_from(
            ["image_column", "id_column", "split_column", "group_column", "encoding", "validation_fraction"]
        ),
        st.sampled_from(
            ["filename", "category", "price", "", "missing", "utf-16", "rot13", "hex", "idna", 1e-9, 0.999]
        ),
        max_size=3,
    )
)
def test_any_knobs_of_the_table_are_followed_or_refused(folder, knobs):
    try:
        validate(small(tasks=TASKS, data=knobs), "c.json")
    except UserError:
        return
    read(folder, "train.csv", csv_of([HEADER, *ROWS]), **knobs)
