"""Folders that the config names: images are found in them, whatever leads there, and nowhere else."""

from __future__ import annotations

import shutil

import pytest
from sources_drawn import draw, kaggle, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.config.differences import host_knobs


def paths(loaded, split: str = "train") -> list[str]:
    return [row["image"]["path"] for row in loaded.splits[split]]


@pytest.fixture
def tables(tmp_path):
    """A folder with a table of two images, which lie in another folder beside it."""
    draw(tmp_path / "photos" / "a.png")
    draw(tmp_path / "photos" / "b.png")
    return kaggle(tmp_path / "tables", "filename\na.png\nb.png\n")


@pytest.mark.parametrize("written", ["../photos", "{root}/photos", "{root}/link", "../link"])
def test_images_are_found_in_a_named_folder_relative_absolute_or_through_a_link(written, tables, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    loaded = load_source(tables, image_dirs=[written.format(root=tmp_path)])
    assert paths(loaded) == [str(tmp_path / "photos" / name) for name in ("a.png", "b.png")]


@pytest.mark.parametrize("name", ["{root}/photos/a.png", "linked.png", "linked/a.png", "../photos/a.png"])
def test_absolute_paths_and_links_may_lead_into_a_named_folder_only(name, tables, tmp_path):
    (tables / "linked.png").symlink_to(tmp_path / "photos" / "a.png")
    (tables / "linked").symlink_to(tmp_path / "photos")
    kaggle(tables, f"filename\n{name.format(root=tmp_path)}\n")
    assert paths(load_source(tables, image_dirs=["../photos"])) == [str(tmp_path / "photos" / "a.png")]
    assert "name the folder where it lies in data.image_dirs" in problems(tables)


@pytest.mark.parametrize("name", ["{root}/secret/s.png", "../secret/s.png", "link.png", "link/s.png", r"..\secret\S"])
def test_nothing_beside_the_named_folders_can_be_reached(name, tables, tmp_path):
    draw(tmp_path / "secret" / "s.png")
    (tmp_path / "photos" / "link.png").symlink_to(tmp_path / "secret" / "s.png")
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "secret")
    kaggle(tables, f"filename\n{name.format(root=tmp_path)}\n")
    message = problems(tables, image_dirs=["../photos"])
    assert "outside of the data folder" in message or "no such file" in message


def test_a_name_in_two_named_folders_is_an_error_that_names_both(tables, tmp_path):
    draw(tmp_path / "more" / "a.png")
    message = problems(tables, image_dirs=["../photos", "../more"])
    assert f"several files fit: {tmp_path / 'more' / 'a.png'}, {tmp_path / 'photos' / 'a.png'}" in message
    assert len(paths(load_source(tables, image_dirs=["../photos", "../photos"]))) == 2


def test_named_folders_come_before_the_usual_ones(tables, tmp_path):
    draw(tables / "a.png")
    draw(tables / "images" / "c.png")
    kaggle(tables, "filename\na.png\nc.png\n")
    found = paths(load_source(tables, image_dirs=["../photos"]))
    assert found == [str(tmp_path / "photos" / "a.png"), str(tables / "images" / "c.png")]


def test_a_folder_is_relative_to_the_table_of_each_split(tmp_path):
    for split in ("train", "val"):
        write(tmp_path / split / "metadata.csv", "file_name,label\n1.png,x\n")
        draw(tmp_path / split / "pool" / "1.png")
    loaded = load_source(tmp_path, image_dirs=["pool"])
    assert paths(loaded) == [str(tmp_path / "train" / "pool" / "1.png")]
    assert paths(loaded, "validation") == [str(tmp_path / "val" / "pool" / "1.png")]


def test_a_read_only_folder_of_images_beside_a_writable_one_with_the_table_works(tables, tmp_path):
    (tmp_path / "photos").chmod(0o555)
    try:
        assert len(paths(load_source(tables, image_dirs=[str(tmp_path / "photos")]))) == 2
        assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == ["a.png", "b.png"]
    finally:
        (tmp_path / "photos").chmod(0o755)


def test_a_folder_that_does_not_exist_is_named_with_the_place_where_it_was_looked_for(tables):
    message = problems(tables, image_dirs=["../photos", "../fotos", "../train.csv"])
    assert message.splitlines() == [
        f"data.image_dirs: {name!r} is no folder (looked at {tables / name}). Give folders that exist, absolute or "
        "relative to that of the table"
        for name in ("../fotos", "../train.csv")
    ]


def test_a_data_set_of_the_hub_has_no_image_dirs():
    assert "a data set of the Hub brings its images along" in problems("owner/name", image_dirs=["photos"])


def test_a_move_of_all_folders_keeps_the_fingerprint(tables, tmp_path):
    assert "data.image_dirs" in host_knobs()
    shutil.copytree(tmp_path / "photos", tmp_path / "elsewhere" / "pictures")
    before = load_source(tables, image_dirs=["../photos"]).fingerprint
    assert load_source(tables, image_dirs=[str(tmp_path / "elsewhere" / "pictures")]).fingerprint == before
    draw(tmp_path / "elsewhere" / "pictures" / "b.png")
    assert load_source(tables, image_dirs=[str(tmp_path / "elsewhere" / "pictures")]).fingerprint != before
