"""A name in another spelling leads to the one file that it can mean, with a line in the log, or is an error."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from sources_drawn import draw, kaggle, load_source, problems, quiet_caches, write  # noqa: F401

from mtl_accel.config import read_config
from mtl_accel.data.labels.dataset import read_dataset

NFC, NFD = (unicodedata.normalize(form, "Mäntel") for form in ("NFC", "NFD"))

# The name in the table, the file that it leads to, and what the log says of it.
SPELLINGS = [
    ("a", "a.png", ["without the suffix of the file"]),
    ("a.png", "a.PNG", ["in another case"]),
    ("IMAGES/Cat/a.png", "images/cat/A.PNG", ["in another case"]),
    ("A", "a.png", ["in another case", "without the suffix of the file"]),
    (r"images\cat\a.png", "images/cat/a.png", ["with backslashes"]),
    (r".\Images\a", "images/a.png", ["in another case", "with backslashes", "without the suffix of the file"]),
    (f"{NFC}.png", f"{NFD}.png", ["in another Unicode normal form"]),
    (f"{NFD}/{NFC}.png", f"{NFC}/{NFD}.png", ["in another Unicode normal form"]),
    (f"{NFC.upper()}.png", f"{NFD}.png", ["in another case"]),
    ("a.png", "a", ["with a suffix that the file lacks"]),
]


def draw_file(path: Path) -> None:
    """Draw an image into a file with any name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(path.parent / "drawn.png").rename(path)


@pytest.mark.parametrize(("name", "file", "lines"), SPELLINGS)
def test_a_name_in_another_spelling_leads_to_its_file_with_one_line_in_the_log(name, file, lines, tmp_path):
    kaggle(tmp_path, f"filename\n{name}\n")
    draw_file(tmp_path / file)
    loaded = load_source(tmp_path)
    assert loaded.splits["train"][0]["image"]["path"] == str(tmp_path / file)
    assert loaded.splits["train"][0]["id"] == name
    assert sorted(line.partition(",")[0] for line in loaded.notes) == [f"1 image name is written {it}" for it in lines]
    assert all(repr(name) in line and str(tmp_path / file) in line for line in loaded.notes)


@pytest.mark.parametrize(("name", "file"), [(name, file) for name, file, _ in SPELLINGS])
def test_an_exact_name_is_asked_for_by_a_knob(name, file, tmp_path):
    kaggle(tmp_path, f"filename\n{name}\n")
    draw_file(tmp_path / file)
    assert f"image {name!r} (column 'filename'): there is no such file" in problems(tmp_path, image_names="exact")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("a.png", ["a.PNG", "A.png"]),
        ("a", ["a.jpg", "a.png"]),
        ("A", ["a.jpg", "a.png"]),
        (f"{NFC}.png", [f"{NFD}.png", f"{NFC.upper()}.png"]),
        ("a.png", ["images/a.PNG", "train/A.png"]),
        ("Images/a.png", ["images/a.png", "IMAGES/a.png"]),
        (r"images\a.png", ["images/a.PNG", "images/A.png"]),
    ],
)
def test_two_files_that_a_name_may_mean_are_an_error_that_names_both(name, files, tmp_path):
    kaggle(tmp_path, f"filename\n{name}\n")
    for file in files:
        draw_file(tmp_path / file)
    message = problems(tmp_path)
    assert f"train.csv, line 2: image {name!r} (column 'filename'): several files fit" in message
    assert "write the name of one" in message
    if len({Path(file).parent for file in files}) == 1:
        assert all(Path(file).name in message for file in files)
    else:
        assert all(str(tmp_path / file) in message for file in files)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("a.png", ["a.png", "A.png"]),
        ("a.png", ["train/a.png", "a.PNG"]),  # the folders are searched for the name itself before any other spelling
        ("a", ["a.png", "A.png"]),
        (r"b\a.png", [r"b\a.png", "b/a.png"]),
    ],
)
def test_a_file_of_the_very_name_comes_before_those_of_other_spellings(name, files, tmp_path):
    kaggle(tmp_path, f"filename\n{name}\n")
    for file in files:
        draw_file(tmp_path / file)
    loaded = load_source(tmp_path)
    assert loaded.splits["train"][0]["image"]["path"] == str(tmp_path / files[0])
    assert not any("case" in line or "backslash" in line for line in loaded.notes)


def test_each_kind_of_spelling_is_one_line_with_the_count_over_all_splits(tmp_path):
    write(tmp_path / "val.csv", "filename\n3.png\n4\n")
    kaggle(tmp_path, "filename\n1.png\n2.png\n5.png\n", "1.PNG", "2.PNG", "3.PNG", "4.png", "5.png")
    case, suffix = load_source(tmp_path).notes
    assert case.startswith(f"3 image names are written in another case, such as '1.png' for {tmp_path / '1.PNG'}")
    assert suffix.startswith("1 image name is written without the suffix")


def test_another_suffix_is_no_spelling_but_a_hint(tmp_path):
    assert "no such file; there is a.png" in problems(kaggle(tmp_path, "filename\na.jpg\n", "a.png"))


@pytest.mark.parametrize("name", [r"..\secret\s.png", "../Secret/S.PNG", "{parent}/SECRET/s.png", r"Out\s.png"])
def test_no_spelling_leaves_the_data_folder(name, tmp_path):
    root = kaggle(tmp_path / "data", f"filename\n{name.format(parent=tmp_path)}\n")
    draw(tmp_path / "secret" / "s.png")
    (root / "out").symlink_to(tmp_path / "secret")
    message = problems(root)
    assert "outside of the data folder" in message or "no such file" in message


def test_the_lines_stand_among_the_notes_of_the_labelled_data_set(tmp_path):
    rows = "".join(f"{row}.jpg,{'xy'[row % 2]}\n" for row in range(20))
    kaggle(tmp_path / "data", f"filename,category\n{rows}", *(f"{row}.JPG" for row in range(20)))
    size = [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}]
    config = {
        "data": {"source": str(tmp_path / "data")},
        "optimizer": {"name": "SGD", "lr": 0.1},
        "tasks": {"category": {"kind": "multiclass", "column": "category"}},
        "transforms": {"train": size, "eval": size},
    }
    file = write(tmp_path / "config.json", json.dumps(config))
    assert any(
        line.startswith("20 image names are written in another case")
        for line in read_dataset(read_config(str(file))).notes
    )
