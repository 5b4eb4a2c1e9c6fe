"""Names of files and folders that are not UTF-8: an error that names them where they are needed, and else no matter."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sources_drawn import draw, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.core.errors import UserError

ODD = os.fsdecode(b"caf\xe9")


def _draw(path: Path) -> Path:
    """An image under a name that Pillow need not write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return draw(path.parents[0] / "0.png").rename(path)


@pytest.mark.parametrize("name", [f"cat/{ODD}.png", f"{ODD}/1.png"])
def test_class_folders_name_each(name, tmp_path):
    draw(tmp_path / "dog" / "2.png")
    _draw(tmp_path / name)
    shown = name.replace(ODD, "caf\\xe9")
    assert problems(tmp_path) == f"{tmp_path}: the name {shown} is not UTF-8. Rename it"


@pytest.mark.parametrize("named", [True, False])
def test_a_folder_of_the_source_is_named(named, tmp_path):
    folder = tmp_path / ODD
    _draw(folder / "1.png")
    table = write((tmp_path if named else folder) / "train.csv", "image\n1.png\n")
    options = {"image_dirs": [str(folder)]} if named else {}
    with pytest.raises(UserError, match=r"the path of the folder is not UTF-8\. Rename the folder") as error:
        load_source(table.parent, **options)
    assert str(error.value).encode()


def test_an_image_that_a_link_leads_to_is_named_and_others_do_not_matter(tmp_path, caplog):
    _draw(tmp_path / f"{ODD}.png")
    draw(tmp_path / "1.png")
    write(tmp_path / "train.csv", "image\n1.png\n")
    assert load_source(tmp_path).splits["train"]["id"][:] == ["1.png"]
    assert "1 of 2 images have no row: caf\\xe9.png" in caplog.text
    (tmp_path / "2.png").symlink_to(tmp_path / f"{ODD}.png")
    write(tmp_path / "train.csv", "image\n1.png\n2.png\n")
    assert "line 3: image '2.png' (column 'image'): its path" in problems(tmp_path)
