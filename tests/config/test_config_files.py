"""Config files: ours load, resolve and fit the schema; wrong ones are told with their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtl_accel.config import Config, json_schema, read_json, validate
from mtl_accel.config.knobs import all_knobs
from mtl_accel.core.errors import UserError

CONFIGS = sorted(path for path in Path("configs").glob("*.json") if path.name != "schema.json")
REFRESH = """python -c "from mtl_accel.config import json_schema; print(json_schema(), end='')" > configs/schema.json"""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_our_configs_load_and_the_resolved_one_loads_back_equal(path: Path) -> None:
    config = validate(read_json(path), str(path))
    resolved = json.loads(json.dumps(config.model_dump(mode="json", by_alias=True)))
    assert validate(resolved, "config.json") == config
    assert config.description


def test_the_schema_in_the_folder_is_current() -> None:
    text = Path("configs/schema.json").read_text(encoding="utf-8")
    assert text == json_schema(), REFRESH


def test_the_schema_knows_every_knob() -> None:
    schema = json.loads(json_schema())
    known = {key for part in (schema, *schema["$defs"].values()) for key in part["properties"]}
    assert {knob.path.rpartition(".")[2] for knob in all_knobs(Config)} - {"NAME", "N"} <= known
    assert "$schema" in schema["properties"]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_our_configs_fit_the_schema(path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    assert list(validator.iter_errors(read_json(path))) == []
    wrong = read_json(path) | {"epochz": 3}
    assert list(validator.iter_errors(wrong))


def write(folder: Path, text: str) -> Path:
    path = folder / "a.json"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"epochs": 2,\n "seed": 1,,\n}', ["line 2, column 12", "not valid JSON"]),
        ("", ["line 1, column 1", "not valid JSON"]),
        ('{"epochs": 2, "epochs": 3}', ["'epochs'", "twice"]),
        ('{"optimizer": {"lr": 2, "lr": 3}}', ["'lr'", "twice"]),
        ("[1]", ["[1]", "not an object"]),
        ('{"epochs": ' + "9" * 5000 + "}", ["cannot be read"]),
        ("[" * 100_000, ["cannot be read"]),
    ],
)
def test_a_file_that_holds_no_config_is_told_with_its_place(tmp_path: Path, text: str, parts: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_json(path)
    (message,) = caught.value.problems
    assert [part for part in (str(path), *parts) if part not in message] == []


def test_a_folder_and_a_file_that_is_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "a.json"):
        with pytest.raises(UserError, match="cannot be read"):
            read_json(path)
