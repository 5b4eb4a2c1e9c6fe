"""`mtl-accel init`: the file that it writes is the config that was named, or the doctor's guess, and trains."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from real_runs import write_source

import mtl_accel
from mtl_accel.cli.main import main
from mtl_accel.config import json_schema
from mtl_accel.config.files.shipped import shipped_configs


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", shipped_configs())
def test_the_file_is_the_config_of_that_name(name: str) -> None:
    assert main(["init", name]) == 0
    written, shipped = mtl_accel.read_config("config.json"), mtl_accel.read_config(name)
    changed = {"description", "schema_"}
    assert written.model_dump(exclude=changed) == shipped.model_dump(exclude=changed)
    raw = json.loads(Path("config.json").read_text())
    assert "$schema" not in raw and "launch/" not in raw["description"].split("README")[0]
    jsonschema.Draft202012Validator(json.loads(json_schema())).validate(raw)


def test_it_says_what_comes_next_and_takes_knobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "quickstart", "--output", "new/first.json", "--epochs", "2", "--data.source", "photos"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "config: new/first.json",
        "look the data over: mtl-accel doctor --config new/first.json",
        "train: mtl-accel train --config new/first.json",
    ]
    config = mtl_accel.read_config("new/first.json")
    assert (config.epochs, config.data.source) == (2, "photos")
    assert config.description.endswith("mtl-accel train --config new/first.json")


def test_without_a_name_the_file_is_the_guess_of_the_doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_source(tmp_path / "photos", 24, 8)
    assert main(["init", "--data.source", "photos", "--output", "photos.json"]) == 0
    assert "suggested: " in capsys.readouterr().out
    guess = mtl_accel.suggest_config("photos", "photos.json")
    assert json.loads(Path("photos.json").read_text()) == dict(guess.raw)


def test_a_file_that_is_there_is_replaced_only_where_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Path("config.json").write_text("mine")
    assert main(["init", "v5"]) == 2
    assert Path("config.json").read_text() == "mine"
    assert "--output: config.json exists; give the name of a new file, or --overwrite" in capsys.readouterr().err
    assert main(["init", "v5", "--overwrite"]) == 0
    assert mtl_accel.read_config("config.json").model.name == "vgg16_relu_linear"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "mtl-accel init v5, or mtl-accel init --data.source my_photos; the names are best, "),
        (["v55"], "did you mean 'v5'?"),
        (["v5", "--epochs", "0"], "--epochs: must be greater than 0"),
        (["--epochs", "3"], "--epochs: no such option; without --config only data.* can be given"),
        (["--data.folds", "3"], "--data.source is missing"),
        (["v5", "--output", "."], "--output: . exists"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(Path().iterdir()) == []
