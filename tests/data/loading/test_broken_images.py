"""Broken images are found before training, all of them, and end the run or are left out, the same ones every time."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from broken_cases import BROKEN, config_of, draw
from loading_cases import png, split_of
from sources_drawn import quiet_caches, write  # noqa: F401

from mtl_accel.config.sections.data import DataConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.data.labels.one_split import read_labeled_split
from mtl_accel.data.loading import broken_images
from mtl_accel.data.loading.broken_images import find_broken_images, read_training_data, readable_part


def ids(labelled) -> set[str]:
    return {name for split in ("train", "validation") for name in labelled.ids(split)}


def test_skipped_rows_leave_all_others_where_they_were(tmp_path):
    draw(tmp_path / "data", BROKEN)
    config = config_of(tmp_path, on_bad_image="skip")
    whole, found = read_dataset(config), read_training_data(config)
    assert ids(whole) - ids(found) == set(BROKEN) and len(ids(found)) == 20
    for split in ("train", "validation"):
        kept = [row for row, name in enumerate(whole.ids(split)) if name not in BROKEN]
        assert found.ids(split) == [whole.ids(split)[row] for row in kept]
        assert np.array_equal(found.targets[split]["category"].target, whole.targets[split]["category"].target[kept])
    assert set(found.held_out) == set(found.ids("validation"))


def test_skipped_rows_are_listed_and_counted_in_one_line_for_each_split(tmp_path):
    draw(tmp_path / "data", BROKEN)
    found = read_training_data(config_of(tmp_path, on_bad_image="skip"))
    assert len(found.skipped) == 4
    assert all(any(f"id {name}: image " in line for line in found.skipped) for name in BROKEN)
    lines = [line for line in found.notes if "broken and left out" in line]
    assert sum(int(line.split(": ")[1].split(" of ")[0]) for line in lines) == 4
    assert len(lines) == len({line.partition(":")[0] for line in lines})


def test_which_images_are_broken_is_found_once_and_anew_when_a_file_changes(tmp_path, monkeypatch):
    draw(tmp_path / "data", BROKEN)
    config = config_of(tmp_path, on_bad_image="skip")
    first = read_training_data(config)
    with monkeypatch.context() as patch:
        patch.setattr(broken_images, "decode", None)  # would fail if it were called
        again = read_training_data(config)
    assert (again.fingerprint, again.skipped) == (first.fingerprint, first.skipped)
    (tmp_path / "data" / "05.png").write_bytes(png(5))
    mended = read_training_data(config)
    assert len(mended.skipped) == 3 and mended.fingerprint != first.fingerprint


def test_the_fingerprint_is_the_same_unless_a_row_is_skipped(tmp_path):
    draw(tmp_path / "data", {})
    whole = read_dataset(config_of(tmp_path))
    assert read_training_data(config_of(tmp_path, on_bad_image="skip")).fingerprint == whole.fingerprint
    draw(tmp_path / "data", BROKEN)
    whole = read_dataset(config_of(tmp_path))
    assert read_training_data(config_of(tmp_path)).fingerprint == whole.fingerprint
    assert read_training_data(config_of(tmp_path, on_bad_image="skip")).fingerprint != whole.fingerprint


@pytest.mark.parametrize("num_workers", [0, 3])
def test_embedded_images_are_checked_by_their_content(num_workers, tmp_path):
    data = DataConfig(cache_dir=str(tmp_path), num_workers=num_workers)
    assert sorted(find_broken_images(split_of(200, frozenset({3, 150})), "train", data)) == [3, 150]
    assert find_broken_images(split_of(200), "train", data) == {}


def test_an_evaluated_split_leaves_out_the_rows_that_training_left_out(tmp_path, caplog):
    draw(tmp_path / "data", BROKEN)
    config = config_of(tmp_path, on_bad_image="skip", validation_fraction=0.5)
    trained = read_training_data(config)
    table, targets = readable_part(
        *read_labeled_split(config, trained.tasks, "validation")[:2], "validation", config.data
    )
    assert list(table["id"]) == trained.ids("validation")
    assert np.array_equal(targets["category"].target, trained.targets["validation"]["category"].target)
    caplog.set_level(logging.WARNING)
    assert "are broken and left out (data.on_bad_image)" in caplog.text


def test_a_split_without_whole_images_is_an_error(tmp_path):
    draw(tmp_path / "data", {f"{row:02d}.png": b"" for row in range(24)})
    with pytest.raises(UserError) as error:
        read_training_data(config_of(tmp_path, on_bad_image="skip"))
    assert [problem.partition(";")[0] for problem in error.value.problems] == [
        f"data.on_bad_image: no image of {split} can be decoded" for split in ("train", "validation")
    ]


def test_a_task_whose_labelled_images_are_all_broken_is_an_error(tmp_path):
    draw(tmp_path / "data", {f"{row:02d}.png": b"" for row in range(12)})
    cells = ["x", "y"] * 6 + [""] * 12
    write(
        tmp_path / "data" / "train.csv",
        "filename,category\n" + "".join(f"{row:02d}.png,{cell}\n" for row, cell in enumerate(cells)),
    )
    with pytest.raises(UserError, match=r"no row of training with a label for tasks\.category has an image"):
        read_training_data(config_of(tmp_path, on_bad_image="skip"))
