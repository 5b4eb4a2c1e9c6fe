"""What was inferred stands in config.json, can be told from what was given, and is no difference between two runs."""

from __future__ import annotations

import json

import pytest

from mtl_accel.config import read_config, read_json, read_run_config, validate
from mtl_accel.config.differences import differences
from mtl_accel.config.inferences import FILE, resolve_both, split_given, value_at, with_values, write
from mtl_accel.core.errors import UserError

INFERRED = {
    "data.delimiter": ";",
    "data.image_column": "file",
    "tasks.attribute.columns": ["a", "b"],
    "tasks.attribute.values": {"-1": 0},
}


@pytest.fixture
def given() -> dict:
    return read_config("configs/quickstart.json", {"data.source": "photos"}).model_dump(mode="json", by_alias=True)


@pytest.fixture
def run(given, tmp_path):
    """A run folder of this config."""
    write(tmp_path, validate(given, "c.json"), INFERRED)
    (tmp_path / "status.json").write_text("{}")
    return tmp_path


def test_the_config_of_a_run_says_what_was_inferred_and_loads_back(run, given):
    written = read_json(run / "config.json")
    assert {key: value_at(written, key) for key in INFERRED} == INFERRED
    assert validate(written, "config.json").model_dump(mode="json", by_alias=True) == written
    assert split_given(written, run) == (given, INFERRED)


def test_what_was_given_is_not_inferred(tmp_path, given):
    said = with_values(given, {"data.delimiter": ";"})
    write(tmp_path, validate(said, "c.json"), {"data.delimiter": ";"})
    assert read_json(tmp_path / "config.json") == said and not (tmp_path / FILE).exists()
    write(tmp_path, validate(given, "c.json"), {"data.delimiter": ";"})
    write(tmp_path, validate(given, "c.json"), {})
    assert not (tmp_path / FILE).exists()


def test_what_was_edited_since_is_given(run, given):
    edited = with_values(read_json(run / "config.json"), {"data.image_column": "photo"})
    assert split_given(edited, run)[0] == with_values(given, {"data.image_column": "photo"})


def test_other_data_are_read_without_what_was_inferred_for_those_of_the_run(run, given):
    for config in (
        read_run_config(run, ["--data.source", "other"]),
        read_config(run / "config.json", {"data.source": "other"}),
    ):
        assert config.model_dump(mode="json", by_alias=True) == with_values(given, {"data.source": "other"})
    assert read_config(run / "config.json").data.image_column == "file"
    assert read_run_config(run, []).data.image_column is None


def test_a_damaged_file_is_named(run):
    for text in ("[1]", "{", '{"data.delimiter": 3}'):
        (run / FILE).write_text(text)
        with pytest.raises(UserError, match=rf"{FILE}: is damaged .*; restore the file, or delete it"):
            read_run_config(run, [])


@pytest.mark.parametrize("saved", [INFERRED, None])
@pytest.mark.parametrize("before_says", [False, True])
@pytest.mark.parametrize("now_says", [False, True])
def test_saying_what_is_inferred_is_no_difference(saved, before_says, now_says, given):
    whole = with_values(given, INFERRED)
    before, now = whole if before_says else given, whole if now_says else given
    if saved is None and now_says and not before_says:
        return  # of a version that did not save it, nobody knows
    assert not differences(*resolve_both(before, saved, now, {} if now_says else INFERRED))


def test_another_inference_is_a_difference(given):
    (found,) = differences(*resolve_both(given, INFERRED, given, {**INFERRED, "data.image_column": "photo"}))
    assert found == ("data.image_column", "file", "photo")
    assert json.dumps(found)
