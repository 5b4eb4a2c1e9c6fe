"""Single Parquet files: what is wrong with one is said with its place, and not blamed on the cache."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sources_drawn import draw, load_source, problems, quiet_caches  # noqa: F401

IMAGES = pa.array(["0.png", "1.png"])
NOT_UTF8 = pa.Array.from_buffers(
    pa.string(), 2, [None, pa.py_buffer(pa.array([0, 1, 3], pa.int32()).buffers()[1]), pa.py_buffer(b"a\xff\xfe")]
)


def _places(root):
    """The same file where one table is read, and where `datasets` reads all of a folder."""
    for image in ("0.png", "1.png"):
        draw(root / image)
        draw(root / "train" / image)
    return root / "labels.parquet", root / "train" / "metadata.parquet"


def _corrupt(path) -> None:
    """Damage a page of the second row group."""
    place = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 40] = b"\xff" * 40
    path.write_bytes(content)


FAULTS = {
    "doubled column": (pa.table([IMAGES, IMAGES, IMAGES], ["image", "a", "a"]), "column 'a' stands twice"),
    "text that is not UTF-8": (pa.table({"image": IMAGES, "a": NOT_UTF8}), "row 1 (from 0), column 'a': "),
    "odd metadata": (
        pa.table({"image": IMAGES}).replace_schema_metadata({"huggingface": '{"info": {"features": {"image": 3}}}'}),
        "the types of its columns, as `datasets` wrote them into the file, cannot be read",
    ),
    "metadata that is not JSON": (
        pa.table({"image": IMAGES}).replace_schema_metadata({"huggingface": "{"}),
        "the types of its columns, as `datasets` wrote them into the file, cannot be read",
    ),
}


def test_one_parquet_file_is_a_table(tmp_path):
    file, _ = _places(tmp_path)
    pd.DataFrame({"image": ["0.png", "1.png"], "label": ["x", None]}).to_parquet(file)
    source = load_source(file)
    assert source.splits["train"]["label"][:] == ["x", None] and source.origins["train"].lines is None


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_an_error_that_names_the_file(kind, tmp_path):
    table, rule = FAULTS[kind]
    for file in _places(tmp_path):
        pq.write_table(table, file)
        assert f"{file}" in (message := problems(file)) and rule in message


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_one_of_the_files_of_a_folder_is_an_error_that_names_it(kind, tmp_path):
    table, rule = FAULTS[kind]
    pq.write_table(pa.table({"image": IMAGES}), tmp_path / "train.parquet")
    pq.write_table(table, tmp_path / "test.parquet")
    message = problems(tmp_path)
    assert rule in message and f"{tmp_path / 'test.parquet'}" in message


def test_a_corrupt_page_is_blamed_on_its_file(tmp_path):
    for image in ("0.png", "1.png"):
        draw(tmp_path / image)
    for name in ("labels.parquet", "train.parquet"):
        pq.write_table(pa.table({"image": IMAGES, "a": ["x", "y"]}), tmp_path / name, row_group_size=1)
        _corrupt(tmp_path / name)
    assert f"{tmp_path / 'labels.parquet'}: not a readable Parquet file" in problems(tmp_path / "labels.parquet")
    (tmp_path / "labels.parquet").unlink()
    message = problems(tmp_path)
    assert f"{tmp_path / 'train.parquet'}: not a readable Parquet file" in message and "cache folder" not in message
