"""Every image stays inside of its data folder; what has no row or no image is reported."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import datasets
import pandas as pd
import pytest
from sources_drawn import draw, kaggle, load_source, problems, quiet_caches, write  # noqa: F401


def _outside(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "data", draw(tmp_path / "secret" / "s.png")


@pytest.mark.parametrize("column", ["../secret/s.png", "x/../../secret/s.png", "{secret}", "../secret/s"])
def test_a_name_cannot_leave_the_data_folder(column, tmp_path):
    root, secret = _outside(tmp_path)
    (root / "x").mkdir(parents=True)
    kaggle(root, f"filename\n{column.format(secret=secret)}\n")
    assert "outside of the data folder" in problems(root)


def test_a_link_cannot_leave_the_data_folder(tmp_path):
    root, secret = _outside(tmp_path)
    kaggle(root, "filename\nlink.png\nfolder/s.png\n")
    (root / "link.png").symlink_to(secret)
    (root / "folder").symlink_to(secret.parent)
    message = problems(root)
    assert "a link to outside of the data folder" in message and "folder/s.png' (column 'filename'): it lies" in message


@pytest.mark.parametrize("layout", ["class folders", "parquet", "save_to_disk", "metadata"])
def test_no_layout_leaves_the_data_folder(layout, tmp_path):
    root, secret = _outside(tmp_path)
    root.mkdir()
    if layout == "class folders":
        draw(root / "cat" / "1.png")
        (root / "cat" / "2.png").symlink_to(secret)
    elif layout == "metadata":
        write(root / "train" / "metadata.jsonl", json.dumps({"file_name": str(secret)}) + "\n")
    else:
        if layout == "parquet":
            pd.DataFrame({"image": [{"bytes": None, "path": str(secret)}]}).to_parquet(root / "train.parquet")
        else:
            datasets.Dataset.from_dict({"image": [str(secret)]}).save_to_disk(root)
    assert "outside of the data folder" in problems(root)


def test_links_inside_the_data_folder_and_a_linked_data_folder_work(tmp_path):
    root = tmp_path / "real"
    kaggle(root, "filename\nlink.png\nlinked/../real.png\n", "pool/1.png", "real.png")
    (root / "link.png").symlink_to(root / "pool" / "1.png")
    (root / "linked").symlink_to(root / "pool")
    (tmp_path / "alias").symlink_to(root)
    # The system resolves linked/.. to the parent of the link's target, which is the data folder here.
    assert len(load_source(str(tmp_path / "alias")).splits["train"]) == 2


def test_a_fifo_is_no_image(tmp_path):
    kaggle(tmp_path, "filename\npipe.png\n")
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a regular file" in problems(tmp_path)


def test_images_without_a_row_are_logged(tmp_path, caplog):
    kaggle(tmp_path, "filename\na.png\nb.png\n", "train/a.png", "train/b.png", "train/extra.png")
    load_source(str(tmp_path))
    assert caplog.records[0].levelno == logging.WARNING
    assert "1 of 3 images have no row" in caplog.text and "train/extra.png" in caplog.text
    assert "right table" not in caplog.text


def test_a_table_that_leaves_out_most_images_is_questioned(tmp_path, caplog):
    kaggle(tmp_path, "filename\na.png\n", "train/a.png", "train/b.png", "train/c.png")
    load_source(str(tmp_path))
    assert "2 of 3 images have no row, more than half: is this the right table?" in caplog.text
