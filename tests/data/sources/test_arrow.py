"""Parquet, save_to_disk and the Hub."""

from __future__ import annotations

import json

import datasets
import pandas as pd
import pyarrow as pa
import pytest
from sources_drawn import (  # noqa: F401
    EXPECTED,
    LAYOUTS,
    ROWS,
    contents,
    draw,
    embedded,
    load_source,
    picture,
    problems,
    quiet_caches,
    undecoded,
    write,
)

from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.decoding import decode
from mtl_accel.data.sources import hub
from mtl_accel.data.sources.table_cache import TableCache


def test_mixed_embedded_and_named_images_and_empty_ones(tmp_path):
    draw(tmp_path / "a.png", picture("train", "a"))
    inside = undecoded(embedded("train"))[0]["image"]["bytes"]
    rows = [{"bytes": inside, "path": "x"}, {"bytes": None, "path": "a.png"}]
    pd.DataFrame({"image": rows, "id": [1, 2]}).to_parquet(tmp_path / "train.parquet")
    train = load_source(str(tmp_path)).splits["train"]
    assert decode(train[0]["image"], place="").tobytes() == picture("train", "cat/1.png").tobytes()
    assert decode(train[1]["image"], place="").tobytes() == picture("train", "a").tobytes()
    assert train["id"][:] == ["1", "2"]
    pd.DataFrame({"image": [rows[0], None]}).to_parquet(tmp_path / "train.parquet")
    assert "row 1 (from 0): image None (column 'image'): the cell is empty" in problems(tmp_path)


def test_a_single_saved_dataset_is_train(tmp_path):
    embedded("train").save_to_disk(tmp_path)
    assert contents(load_source(str(tmp_path))) == {"train": EXPECTED["train"]}


def test_unreadable_parquet_and_saved_folders_are_errors(tmp_path):
    write(tmp_path / "parquet" / "train.parquet", "no parquet")
    assert "cannot be read" in problems(tmp_path / "parquet")
    write(tmp_path / "saved" / "state.json", "{}")
    assert "save_to_disk" in problems(tmp_path / "saved")


def test_an_unreachable_hub_id_is_one_error_with_the_fix(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    message = problems("mtl-accel-nobody/nothing", revision="v1")
    assert (
        "'mtl-accel-nobody/nothing' is neither a folder that exists nor a Hub data set that could be reached" in message
    )
    assert "revision 'v1'" in message and "connect to the network" in message


@pytest.mark.parametrize("layout", ["parquet", "class folders"])
def test_a_stream_becomes_a_table_with_the_bytes_of_its_images(layout, tmp_path):
    LAYOUTS[layout](tmp_path)
    kind = {"parquet": "parquet", "class folders": "imagefolder"}[layout]
    pattern = {"parquet": str(tmp_path / "train.parquet"), "class folders": str(tmp_path / "train/**")}[layout]
    stream = datasets.load_dataset(kind, data_files={"train": pattern}, streaming=True)["train"]
    cache = TableCache(tmp_path / "tables")
    read = hub.read_stream(stream, "me/data", str(tmp_path), 3, cache)
    assert len(read) == 3 and all(row["image"]["bytes"] for row in undecoded(read))
    again = hub.read_stream(stream, "me/data", str(tmp_path), 3, cache)
    assert (
        again._fingerprint
        == read._fingerprint
        != hub.read_stream(stream, "me/data", str(tmp_path), 2, cache)._fingerprint
    )
    pixels = {picture("train", name).tobytes() for name, _ in ROWS["train"]}
    assert {decode(row["image"], place="").tobytes() for row in undecoded(read)} < pixels


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "hf://datasets/other/data@main/a.png", "hf://datasets/me/data@x/../a"]
)
def test_a_stream_reads_no_image_outside_of_its_data_set(path, tmp_path):
    table = datasets.Dataset.from_list([{"image": {"path": path, "bytes": None}}])
    stream = table.cast_column("image", datasets.Image(decode=False)).to_iterable_dataset()
    with pytest.raises(UserError, match="outside of itself"):
        hub.read_stream(stream, "me/data", "hf://datasets/me/data", None, TableCache(tmp_path / "tables"))


def test_a_stream_keeps_its_bytes_when_the_working_folder_has_a_file_of_that_name(tmp_path, monkeypatch):
    draw(tmp_path / "1.png")
    monkeypatch.chdir(tmp_path)
    inside = undecoded(embedded("train"))[0]["image"]["bytes"]
    pd.DataFrame({"image": [{"bytes": inside, "path": "1.png"}]}).to_parquet("train.parquet")
    stream = datasets.load_dataset("parquet", data_files={"train": "train.parquet"}, streaming=True)["train"]
    assert (
        hub.read_stream(stream, "me/data", "hf://datasets/me/data", None, TableCache(tmp_path / "tables"))[0]["image"][
            "bytes"
        ]
        == inside
    )


@pytest.mark.parametrize("name", ["../outside.arrow", "/etc/hostname", "link.arrow"])
def test_a_saved_folder_that_names_files_outside_of_itself_is_refused(name, tmp_path):
    folder = tmp_path / "saved"
    datasets.DatasetDict({"train": embedded("train"), "test": embedded("test")}).save_to_disk(folder)
    state = folder / "test" / "state.json"
    content = json.loads(state.read_text())
    (file,) = (folder / "test").glob("*.arrow")
    file.rename(tmp_path / "outside.arrow")
    (folder / "test" / "link.arrow").symlink_to(tmp_path / "outside.arrow")
    content["_data_files"] = [{"filename": name.replace("../", "../../")}]
    state.write_text(json.dumps(content))
    assert f"it lies outside of {folder}, whose test/state.json names it" in problems(folder)
    write(folder / "dataset_dict.json", '{"splits": ["../elsewhere"]}')
    assert "save_to_disk" in problems(folder)


def test_text_that_is_not_utf8_in_a_saved_folder_is_an_error(tmp_path):
    codes = pa.array([0, 2], pa.int32()).buffers()[1]
    text = pa.Array.from_buffers(pa.string(), 1, [None, codes, pa.py_buffer(b"\xff\xfe")])
    datasets.Dataset(pa.table({"image": ["0.png"], "a": text})).save_to_disk(tmp_path / "saved")
    assert "UTF8" in problems(tmp_path / "saved")
