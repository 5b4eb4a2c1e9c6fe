"""`mtl-accel config`: what it shows is what a run would use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mtl_accel
from mtl_accel.cli.main import main
from mtl_accel.config import json_schema, validate
from mtl_accel.config.files.shipped import shipped_configs
from mtl_accel.config.knobs import all_knobs
from mtl_accel.core.json_layout import format_json


def lines(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[str]:
    assert main(["config", *arguments]) == code
    out, err = capsys.readouterr()
    return (err if code else out).splitlines()


def test_the_list_names_every_shipped_config_with_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    found = [line.split(maxsplit=1) for line in lines(capsys, "list")]
    assert [name for name, _ in found] == list(shipped_configs())
    assert all(meaning for _, meaning in found)


@pytest.mark.parametrize("name", shipped_configs())
def test_what_is_shown_is_the_whole_config_and_can_be_read_again(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = "\n".join(lines(capsys, "show", name, "--seed", "3"))
    shown = json.loads(text)
    assert validate(dict(shown), name) == mtl_accel.read_config(name, {"seed": 3, "$schema": None})
    tops = {knob.path.split(".")[0] for knob in all_knobs(mtl_accel.Config)}
    assert tops == set(shown)


def test_the_schema_is_that_of_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    assert capsys.readouterr().out == json_schema()


def test_every_config_that_is_wrong_is_told_and_the_others_are_valid(capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, "validate", "v5", "small/best") == ["v5: valid", "small/best: valid"]
    late = "v5: scheduler.step_size: 30 of a run of 20 epochs; the rate never drops"
    assert lines(capsys, "validate", "v5", "--scheduler.step_size", "30") == ["v5: valid", late]
    assert main(["config", "validate", "v5", "nothing", "--epochs", "x"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: --epochs: ") and second.startswith("error: nothing: neither a file nor")


def test_the_difference_of_two_configs_is_every_knob_that_is_not_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = dict(line.split(": ", 1) for line in lines(capsys, "diff", "v5", "v6"))
    assert found["optimizer.lr"] == "0.0001 → 0.0003"
    assert found["scheduler.gamma"] == "0.1 → not there"
    assert lines(capsys, "diff", "v5", "v5") == [] and "description" not in found
    assert "epochs" not in found


@pytest.mark.parametrize("action", ["list", "schema"])
def test_an_argument_too_many_is_told(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(capsys, action, "--epochs", "3", code=2) == ["error: --epochs: this takes no arguments"]


@pytest.mark.parametrize("path", sorted(Path("configs").glob("**/*.json")), ids=str)
def test_a_config_as_text_is_the_same_config_in_lines_that_fit(path: Path) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    text = format_json(value)
    assert json.loads(text) == value
    long = [line.strip().rstrip(",") for line in text.splitlines() if len(line) > 120]
    assert all(isinstance(inner, str) for line in long for inner in json.loads(f"{{{line}}}").values())


@pytest.mark.parametrize("value", [{}, [], 1, "a", {"a": {}}, {"a": []}, [[], [{"é": None}]]])
def test_small_values_as_text_are_the_same_values(value: object) -> None:
    assert json.loads(format_json(value)) == value
