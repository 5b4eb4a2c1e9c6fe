"""What is planted in a healthy data set is found, and nothing is found in the healthy one."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from mtl_accel.preflight.diagnosis.findings import Diagnosis, Finding, Severity

Make = Callable[..., Any]  # conftest.py's Photos


def of_check(diagnosis: Diagnosis, check: str, severity: Severity = Severity.WARNING) -> list[Finding]:
    return [f for f in diagnosis.findings if f.check == check and f.severity == severity]


def cells(findings: list[Finding]) -> list[tuple[str, ...]]:
    """The words of all rows of all tables."""
    return [tuple(c.text for c in row.cells) for f in findings for table in f.tables for row in table.rows]


def test_a_healthy_data_set_has_no_warnings(photos: Make) -> None:
    diagnosis = photos(120, 40).diagnose()
    assert [f.title for f in diagnosis.findings if f.severity > Severity.NOTE] == []
    assert diagnosis.exit_code == 0


def recompressed(picture: Image.Image, quality: int = 40) -> Image.Image:
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, "JPEG", quality=quality)
    return Image.open(stream)


COPIES = {
    "the same pixels": lambda picture: picture,
    "nearly the same": recompressed,
    "nearly the same, smaller": lambda picture: recompressed(picture.resize((33, 33)), 80),
    "nearly the same, larger": lambda picture: picture.resize((131, 131)),
    "nearly the same, brighter by a little": lambda picture: picture.point(lambda value: min(value + 3, 255)),
    "mirrored": ImageOps.mirror,
    "mirrored, recompressed": lambda picture: recompressed(ImageOps.mirror(picture), 60),
}


def test_copies_of_training_pictures_in_validation_are_found_by_their_kind(photos: Make) -> None:
    made = photos(60, 20)
    for row, change in enumerate(COPIES.values()):
        made.replace("val", row, change(made.picture("train", 10 + row)))
    diagnosis = made.diagnose()
    found = {f.title.split("(")[1].split(")")[0]: cells([f]) for f in of_check(diagnosis, "copies")}
    pairs = {(kind, first, second) for kind, rows in found.items() for first, second, _ in rows}
    assert pairs == {
        (kind.split(",")[0], f"train, train/{10 + row:03d}.png", f"validation, val/planted-{row}.png")
        for row, kind in enumerate(COPIES)
    }
    assert diagnosis.exit_code == 1
    assert all(
        len(picture.uris) == 2 and all(picture.uris) for f in of_check(diagnosis, "copies") for picture in f.pictures
    )


def test_copies_inside_a_split_are_a_note_and_contradicting_labels_a_warning(photos: Make) -> None:
    made = photos()
    train = made.tables["train"]
    for row in (30, 31):
        made.replace("train", row, recompressed(made.picture("train", row - 20), 80))
        train.loc[row, ["category", "red", "long"]] = train.loc[row - 20, ["category", "red", "long"]]
    train.loc[31, "category"] = "coat" if train.loc[11, "category"] == "dress" else "dress"
    train.loc[31, "red"] = 1 - train.loc[11, "red"]
    diagnosis = made.diagnose()
    assert len(cells(of_check(diagnosis, "copies", Severity.NOTE))) == 2
    labels = f"{train.loc[11, 'category']} / {train.loc[31, 'category']}"
    red = f"red: {train.loc[11, 'red']} / {train.loc[31, 'red']}"
    pair = ("train, train/011.png", "train, train/planted-31.png", "nearly the same")
    assert cells(of_check(diagnosis, "contradictions")) == [(*pair, labels), (*pair, red)]


@pytest.mark.parametrize(("on_bad_image", "code"), [("error", 2), ("skip", 1)])
def test_broken_pictures_are_errors_unless_they_are_skipped(photos: Make, on_bad_image: str, code: int) -> None:
    made = photos()
    for row, content in ((3, b""), (4, b"no picture"), (5, (made.root / "train/005.png").read_bytes()[:200])):
        (made.root / f"train/{row:03d}.png").write_bytes(content)
    diagnosis = made.diagnose(on_bad_image=on_bad_image)
    (broken,) = [f for f in diagnosis.findings if f.check == "broken"]
    assert [row[0].split(": ")[0] for row in cells([broken])] == [f"train, id train/{row:03d}.png" for row in (3, 4, 5)]
    assert (diagnosis.exit_code, broken.severity.value) == (code, code)


def test_a_wrong_table_is_an_error_and_the_pictures_are_looked_at_all_the_same(photos: Make) -> None:
    made = photos()
    made.tables["train"].loc[4, "red"] = "perhaps"
    made.tables["train"].loc[5, "filename"] = "train/gone.png"
    made.replace("val", 0, made.picture("train", 9))
    diagnosis = made.diagnose()
    errors = [f.title for f in diagnosis.findings if f.severity == Severity.ERROR]
    assert len([e for e in errors if "perhaps" in e]) == 1
    assert [e for e in errors if "gone.png" in e]
    assert len(cells(of_check(diagnosis, "copies"))) == 1
    assert diagnosis.exit_code == 2


def test_a_data_set_without_any_picture_has_its_tables_looked_at(photos: Make) -> None:
    made = photos(12, 4)
    for path in made.root.rglob("*.png"):
        path.unlink()
    diagnosis = made.diagnose()
    assert diagnosis.exit_code == 2
    assert [f.title for f in of_check(diagnosis, "splits", Severity.NOTE)] == ["12 train, 4 validation images"]


def test_a_source_that_is_none_is_one_error(photos: Make, tmp_path: Path) -> None:
    diagnosis = photos().diagnose(source=str(tmp_path / "nowhere"))
    assert [f.severity for f in diagnosis.findings] == [Severity.ERROR]


def test_nearly_uniform_pictures_are_found_and_are_no_copies_of_one_another(photos: Make) -> None:
    made = photos()
    noise = np.random.default_rng(0).integers(99, 102, (2, 48, 48, 3), np.uint8)
    for row, pixels in enumerate(noise):
        made.replace("train", row, Image.fromarray(pixels))
    diagnosis = made.diagnose()
    assert [row[0] for row in cells(of_check(diagnosis, "uniform"))] == [
        f"train, train/planted-{n}.png" for n in (0, 1)
    ]
    assert of_check(diagnosis, "copies", Severity.NOTE) == []


def test_a_group_column_cut_by_the_splits_is_a_warning(photos: Make) -> None:
    made = photos()
    made.tables["train"]["garment_id"] = [f"g{row // 3}" for row in range(60)]
    made.tables["val"]["garment_id"] = [f"g{row // 2}" if row < 8 else f"v{row // 2}" for row in range(20)]
    (found,) = of_check(made.diagnose(), "groups")
    assert found.values == {"column": "garment_id", "groups": 4}


def test_a_column_and_a_property_of_the_files_that_tell_the_class_are_found(photos: Make) -> None:
    made = photos()
    train = made.tables["train"]
    train["shop"] = ["a" if category == "coat" else "b" for category in train["category"]]
    for row in np.flatnonzero(train["category"] == "dress"):
        made.replace("train", row, made.picture("train", row), format="JPEG")
    diagnosis = made.diagnose()
    assert [row[:2] for row in cells(of_check(diagnosis, "giveaways"))] == [("format of the file", "category")]
    told = [row[0] for row in cells(of_check(diagnosis, "giveaways", Severity.NOTE))]
    assert sorted(told) == ["beginning of the file's name", "shop"]


def test_pictures_with_other_transparency_and_many_sizes_are_described(photos: Make) -> None:
    made = photos()
    for row in range(5):
        made.replace("train", row, made.picture("train", row).convert("RGBA").resize((30 + row, 90)))
    (shapes,) = of_check(made.diagnose(), "shapes", Severity.NOTE)
    assert shapes.title == "Pictures have 6 sizes, from 48 x 48 to 34 x 90 pixels"
    assert ("PNG, RGBA", "5") in cells([shapes])
