"""A config for folders that nobody has described: it reads them, its guesses are said, and it trains as it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from broken_cases import BROKEN, draw
from everyday import NAMES, Folder, text
from small_run import Small
from sources_drawn import LAYOUTS, quiet_caches  # noqa: F401

import mtl_accel
from mtl_accel import models
from mtl_accel.config import read_config
from mtl_accel.config.sections.data import DataConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.broken_images import read_training_data
from mtl_accel.preflight.diagnosis.suggestion.suggest import Suggestion, suggest_config

ROOT = Path(__file__).parents[4]
TRAIN = "data/train.csv"
PHOTOS = {"image_dirs": ["../photos"]}
BOTH = {"category": "multiclass", "labels": "multilabel"}
FEW_YES = ["1" if n == 0 else "0" for n in range(24)]
TAGS = ["['long dress']", "['red', 'long dress']", "['red']"] * 8
SPLITS = ["test", "val", "train", "train", "train", "train"] * 4
GARMENTS = [f"g{n // 3}" for n in range(24)]
PRICES = [str(250_000 + 53_000 * n % 250_000) for n in range(24)]

ONE_GARMENT = {
    "category": [c for c in "xyzzyxxy" for _ in range(3)],
    "a": ["0"] * 12 + ["1"] * 12,
    "b": ["1"] * 9 + ["0"] * 15,
}
NUMBERED = {"val.csv": ["1", "2", "3"] * 8, "train.csv": ["1.0", "2.0", "3.0"] * 8}


class Case(NamedTuple):
    """A folder, parts of the lines that say what was guessed, and the kinds of the tasks.

    `trains`: whether it is trained, too; those whose config differs from others in no more than a name need not be.
    """

    folder: Folder
    reasons: Sequence[str]
    kinds: dict = BOTH
    trains: bool = True


CASES = [
    Case(Folder("semicolons", {TRAIN: text(";")}), ["2 columns of yes and no (a, b)", "semicolons"]),
    Case(Folder("Unicode text of a spreadsheet", {TRAIN: text("\t").encode("utf-16")}), ["UTF-16"], trains=False),
    Case(Folder("-1 and 1", {TRAIN: text(a=["-1", "1"] * 12, b=["-1", "-1", "1"] * 8)}), ["(a, b)"]),
    Case(Folder("-1, 0 and 1", {TRAIN: text(a=["-1", "0", "1"] * 8)}), ["a holds -1, 0 and 1: -1 is read as no"]),
    Case(
        Folder("TRUE and False", {TRAIN: text(a=["False", "True"] * 12, b=["FALSE", "TRUE"] * 12)}),
        ["(a, b)"],
        trains=False,
    ),
    Case(
        Folder("lists of Python", {TRAIN: text("|", without="a b", tags=TAGS)}),
        ["in brackets"],
        {"category": "multiclass", "tags": "multilabel"},
    ),
    Case(
        Folder("an index of pandas", {TRAIN: text(first={"": list(map(str, range(24)))})}),
        ["counts the rows"],
        trains=False,
    ),
    Case(
        Folder("another suffix", {TRAIN: text()}, [f"data/{n[:3]}.PNG" for n in NAMES]),
        ["24 image names"],
        trains=False,
    ),
    Case(Folder("a table of another name", {"data/labels.csv": text()}), ["read as the training table"], trains=False),
    Case(Folder("a split column", {TRAIN: text(split=SPLITS)}), ["16 train, 4 validation, 4 test"]),
    Case(
        Folder("images elsewhere", {TRAIN: text()}, [f"photos/{n}" for n in NAMES], data=PHOTOS),
        ["(a, b)"],
        trains=False,
    ),
    Case(
        Folder("big prices", {TRAIN: text(without="a b", price=PRICES)}),
        ["numbers from 250000 to"],
        {"category": "multiclass", "price": "regression"},
    ),
    Case(
        Folder("classes as floats", {f"data/{name}": text(category=cells) for name, cells in NUMBERED.items()}),
        ["3 whole numbers"],
        trains=False,
    ),
    Case(Folder("folds", {TRAIN: text(fold=["1", "2", "3"] * 8)}), ["data.fold_column: 'fold', folds by its name"]),
    Case(
        Folder("groups", {TRAIN: text(garment=GARMENTS, **ONE_GARMENT)}),
        ["data.group_column: 'garment', 8 values, and the rows of each have the same labels"],
    ),
    Case(
        Folder("ids", {TRAIN: text(sku=[f"A{n}" for n in range(24)], one=["s"] * 24)}),
        ["left out: column 'sku': another text", "left out: column 'one': 's' in all rows"],
        trains=False,
    ),
    Case(
        Folder("a row for each label", {TRAIN: "filename,label\n" + "".join(f"{n},red\n{n},dress\n" for n in NAMES)}),
        ["its rows are labels: 24 images of 48 rows"],
        kinds={"label": "multilabel"},
        trains=False,
    ),
    Case(Folder("a rare label", {TRAIN: text(a=FEW_YES)}), ["fewer than 10% of the rows, so their positives count"]),
]


def suggested(folder: Folder, root: Path) -> Suggestion:
    folder.write(root)
    return suggest_config(folder.config(root).data, root / "config.json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.folder.name)
def test_a_folder_gets_a_config_that_reads_it_and_says_each_guess(case, tmp_path):
    found, kinds = suggested(case.folder, tmp_path), case.kinds
    assert {name: task.kind for name, task in found.config.tasks.items()} == kinds
    said = "\n".join(found.notes)
    assert [reason for reason in case.reasons if reason not in said] == [], said
    assert [name for name in kinds if f"task {name}: {kinds[name]}, " not in said] == []
    read = read_training_data(found.config)
    assert set(read.tasks) == set(kinds) and len(read.splits["validation"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gets_its_classes_as_a_task(layout, tmp_path):
    LAYOUTS[layout](tmp_path / "data")
    found = suggest_config(DataConfig(source=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache")))
    assert [(name, task.kind) for name, task in found.config.tasks.items()] == [("label", "multiclass")]
    assert read_training_data(found.config).tasks["label"].classes == ("cat", "dog")


def test_broken_images_are_skipped_and_that_is_said(tmp_path):
    draw(tmp_path / "data", BROKEN)
    found = suggest_config(DataConfig(source=str(tmp_path / "data"), cache_dir=str(tmp_path / "cache")))
    assert found.config.data.on_bad_image == "skip" and len(read_training_data(found.config).skipped) == 4
    assert any("4 of 24 images that were tried cannot be decoded" in note for note in found.notes)


def test_an_unbalanced_class_gets_a_weight(tmp_path):
    rare = ["y" if n in (3, 17) else "x" for n in range(24)]
    found = suggested(Folder("rare", {TRAIN: text(category=rare)}), tmp_path)
    assert found.raw["tasks"]["category"]["loss"] == {"name": "cross_entropy", "class_weights": "balanced"}
    assert any("so classes are weighted" in note for note in found.notes)


def test_the_written_config_is_that_of_the_command_in_its_description(tmp_path):
    found = suggested(CASES[0].folder, tmp_path)
    found.write(tmp_path / "config.json")
    assert read_config(tmp_path / "config.json") == found.config
    assert found.config.description.endswith(f"mtl-accel train --config {tmp_path / 'config.json'}")
    with pytest.raises(UserError, match="exists; give the name of a new file"):
        found.write(tmp_path / "config.json")


@pytest.mark.parametrize(
    ("folder", "error"),
    [
        (Folder("NUL", {TRAIN: text().replace("filename", "file\0name")}), "line 1: a NUL character"),
        (Folder("no labels", {TRAIN: text(without="category a b")}), "no column of"),
        (Folder("a missing image", {TRAIN: text()}, []), "line 2"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_folder_that_cannot_be_read_gives_the_error_of_reading_it(folder, error, tmp_path):
    with pytest.raises(UserError, match=error):
        suggested(folder, tmp_path)


def doctor(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "launch" / "doctor.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_doctor_writes_the_config_and_says_the_error_of_a_folder_that_cannot_be_read(tmp_path):
    CASES[0].folder.write(tmp_path)
    place = ["--data.source", "data", "--data.cache_dir", "cache", "--write", "config.json"]
    done = doctor(*place, cwd=tmp_path)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    assert "suggested: task category: multiclass, by column 'category'" in done.stdout
    assert "config: config.json" in done.stdout and "A config is suggested" in (tmp_path / "doctor.html").read_text()
    (tmp_path / TRAIN).write_text(text().replace("filename", "file\0name"))
    done = doctor(*place[:4], "--write", "other.json", cwd=tmp_path)
    assert done.returncode == 2 and "error: " in done.stderr and "line 1: a NUL character" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "other.json").exists()


@pytest.mark.slow
def test_every_suggested_config_trains_as_it_is(tmp_path, not_launched, monkeypatch):
    monkeypatch.setitem(models.MODELS, "small", Small)
    for number, case in enumerate(case for case in CASES if case.trains):
        found = suggested(case.folder, tmp_path / str(number))
        path = tmp_path / str(number) / "config.json"
        found.write(path)
        # The network is the same in all; a smaller one saves half a minute.
        network = {"model.name": "small"} if number else {}
        config = read_config(path, {"run_dir": str(path.parent / "run"), "data.num_workers": 0, **network})
        assert mtl_accel.train(config, debugging="batches").exit_code == 0, case.folder.name
