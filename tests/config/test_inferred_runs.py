"""A run whose config leaves columns and format open: config.json says them, and everything that compares runs knows."""

from __future__ import annotations

from pathlib import Path

import pytest
from broken_cases import config_of, draw

from mtl_accel.config import read_config, read_json
from mtl_accel.config.inferences import value_at
from mtl_accel.evaluation.evaluate import evaluate
from mtl_accel.inference.predict import predict
from mtl_accel.report import compare
from mtl_accel.report.records.changes import comparable_configs, config_changes
from mtl_accel.report.records.runs import read_runs
from mtl_accel.training.train import train


@pytest.fixture
def folder(tmp_path) -> Path:
    """The table of `draw` between semicolons, with the column of splits."""
    draw(tmp_path / "data", {})
    file = tmp_path / "data" / "train.csv"
    header, *rows = file.read_text().splitlines()
    splits = ["train", "train", "val", "test"]
    lines = [f"{header},split", *(f"{row},{splits[number % 4]}" for number, row in enumerate(rows))]
    file.write_text("".join(f"{line.replace(',', ';')}\n" for line in lines))
    return tmp_path


def test_a_run_says_what_was_inferred_and_its_config_begins_and_resumes_the_same_run(not_launched, folder, capsys):
    config = config_of(folder, num_workers=0)
    run = train(config).run_dir
    said = {
        "data.delimiter": ";",
        "data.encoding": "utf-8",
        "data.image_column": "filename",
        "data.id_column": "filename",
        "data.split_column": "split",
    }
    written = read_json(run / "config.json")
    assert {key: value_at(written, key) for key in said} == said

    again = read_config(run / "config.json", {"run_dir": str(folder / "again"), "seed": 1})
    other = train(again).run_dir
    frame = compare([run, other])
    assert frame["config"].nunique() == 1
    before, after = read_runs([run, other])
    assert config_changes(*comparable_configs(before, after)) == ["seed: 0 → 1"]

    for place, longer in (("a", config), ("b", read_config(run / "config.json"))):
        longer = longer.model_copy(update={"run_dir": str(folder / place), "epochs": 2})
        text = (train(longer, resume=str(run), allow_changes=True).run_dir / "log.txt").read_text()
        assert [line for line in text.splitlines() if "and was" in line] == [
            f"epochs: is 2, and was 1 in {(run / 'checkpoints' / 'last').resolve()}"
        ]

    capsys.readouterr()
    predict(run, folder / "predictions")
    evaluate(run)
    errors = capsys.readouterr().err.splitlines()
    assert errors.count("train.csv: its columns are separated by semicolons (data.delimiter)") == 2
