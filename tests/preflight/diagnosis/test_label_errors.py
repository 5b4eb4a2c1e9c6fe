"""Planted label errors are found in the validation splits of finished runs, with their pictures, worst first."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from everyday import NEEDED
from PIL import Image
from small_run import Deep
from sources_drawn import quiet_caches, write  # noqa: F401

import mtl_accel
from mtl_accel import models
from mtl_accel.config import Config, validate
from mtl_accel.core.errors import UserError
from mtl_accel.preflight.diagnosis.findings import Severity
from mtl_accel.preflight.diagnosis.label_errors import label_error_findings

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}
NAMES = [f"{n:02}.png" for n in range(72)]
FLIPS = {"05.png": "blue", "16.png": "blue", "33.png": "green", "46.png": "red", "60.png": "red"}
BRIGHT_FLIPS = {"10.png", "41.png"}
SHAPE = [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}]


def draw(root: Path) -> None:
    """Pictures of three colours, half of them bright, with a few wrong cells."""
    rng = np.random.default_rng(0)
    lines = ["filename,colour,bright\n"]
    for number, name in enumerate(NAMES):
        colour, is_bright = list(COLOURS)[number % 3], number % 2
        pixels = np.array(COLOURS[colour]) * (1.0 if is_bright else 0.35) + rng.normal(0, 6, (32, 32, 3))
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / name)
        lines.append(f"{name},{FLIPS.get(name, colour)},{is_bright ^ (name in BRIGHT_FLIPS)}\n")
    write(root / "train.csv", "".join(lines))


def config_of(root: Path, fold: int, **tasks: dict) -> Config:
    raw = {
        **NEEDED,
        "run_dir": str(root / f"fold{fold}"),
        "epochs": 20,
        "select_by": "loss",
        "batch_size": 8,
        "data": {
            "source": str(root / "data"),
            "cache_dir": str(root / "cache"),
            "num_workers": 0,
            "folds": 2,
            "fold": fold,
        },
        "model": {"name": "deep"},
        "tasks": tasks or {"colour": {"kind": "multiclass", "column": "colour"}, "light": {"kind": "multilabel"}},
        "transforms": {"train": SHAPE, "eval": SHAPE},
        "optimizer": {"name": "Adam", "lr": 0.003},
    }
    return validate(raw, "test")


@pytest.fixture
def root(tmp_path, monkeypatch, not_launched):
    (tmp_path / "data").mkdir()
    draw(tmp_path / "data")
    monkeypatch.setitem(models.MODELS, "deep", Deep)
    return tmp_path


@pytest.mark.slow
def test_planted_errors_of_all_folds_come_first_with_pictures_and_in_a_csv(root):
    for fold in (0, 1):
        mtl_accel.train(config_of(root, fold))
    runs = [root / "fold0", root / "fold1"]
    diagnosis = mtl_accel.diagnose(config_of(root, 0), output=root / "doctor.html", runs=runs)
    colour, light = [finding for finding in diagnosis.findings if finding.check == "label_errors"]
    assert colour.severity == light.severity == Severity.WARNING
    rows = [[cell.text for cell in row.cells] for row in colour.tables[0].rows]
    # A flip whose true class is less probable than that class usually is in its own rows is not suspected.
    first = {row[0]: row[2] for row in rows[: len(FLIPS)]}
    assert first.items() <= FLIPS.items() and len(first) >= len(FLIPS) - 1
    truth = {name: list(COLOURS)[number % 3] for number, name in enumerate(NAMES)}
    assert all(row[3] == truth[row[0]] for row in rows[: len(FLIPS)])
    assert {row.cells[0].text for row in light.tables[0].rows[:2]} <= BRIGHT_FLIPS
    assert "of 72 validation labels are suspected" in colour.title
    assert len(colour.pictures) == len(rows) and colour.pictures[0].uris[0].startswith("data:image/jpeg;base64,")
    with (root / "doctor-label-errors.csv").open() as file:
        written = list(csv.DictReader(file))
    assert [(row["id"], row["suggested"]) for row in written if row["task"] == "colour"] == [(r[0], r[3]) for r in rows]
    page = (root / "doctor.html").read_text()
    assert colour.pictures[0].uris[0] in page and f"suggested: {rows[0][3]}" in page
    # One of the runs alone speaks of the rows that it held out.
    (alone, _) = label_error_findings(runs[:1])
    assert "of 36 validation labels are suspected" in alone.title
    # The mean of two runs that held out the same rows is that of one of them, if both are the same.
    (root / "copy").symlink_to(root / "fold0")
    (both, _) = label_error_findings([runs[0], root / "copy"])
    assert both.tables == alone.tables


@pytest.mark.slow
def test_runs_of_other_tasks_and_runs_without_a_model_are_errors(root):
    one = config_of(root, 0).model_copy(update={"epochs": 1})
    mtl_accel.train(one)
    colour = {"colour": {"kind": "multiclass", "column": "colour"}}
    mtl_accel.train(config_of(root, 1, **colour).model_copy(update={"epochs": 1}))
    with pytest.raises(UserError, match=r"fold1 has other tasks or classes than .*fold0"):
        list(label_error_findings([root / "fold0", root / "fold1"]))
    with pytest.raises(UserError, match=r"holds no config\.json"):
        list(label_error_findings([root / "data"]))
