"""Which plugins a config uses, and what is said of those that are missing or have changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mtl_accel.config import read_config
from mtl_accel.config.extension.open_unions import annotation_of
from mtl_accel.config.rules.plugin_uses import (
    PluginRecord,
    dump_records,
    missing_problems,
    parse_records,
    plugin_changes,
    records_of_run,
    used_plugins,
)
from mtl_accel.config.sections.model import ModelConfig
from mtl_accel.core.errors import UserError
from mtl_accel.core.plugins import loading
from mtl_accel.core.plugins.identity import digest
from mtl_accel.core.plugins.loading import load_plugin

pytestmark = pytest.mark.usefixtures("no_plugins_left")

PACKAGE = Path("tests/plugin_package/mtl_accel_shapes")
V5 = "configs/v5.json"
RECORD = PluginRecord(distribution="own-parts", version="1.2", sha256="ab" * 32, uses=("model own", "loss other"))


def uses(**overrides: object) -> list[str]:
    found = used_plugins(read_config(V5, overrides))
    assert set(found) <= {"mtl_accel_shapes"}
    return [use for record in found.values() for use in record.uses]


def test_a_plugin_that_is_only_there_is_none_that_a_config_uses() -> None:
    load_plugin(PACKAGE)
    assert used_plugins(read_config(V5)) == {}
    assert dump_records({}) == {}


@pytest.mark.parametrize(
    ("overrides", "use"),
    [
        ({"model": {"name": "shape_net"}}, "model shape_net"),
        ({"tasks.category.loss": {"name": "poly1"}}, "loss poly1"),
        ({"tasks.category.metrics": ["top_2"]}, "multiclass metric top_2"),
        ({"tasks.category.primary_metric": "top_2"}, "multiclass metric top_2"),
        ({"transforms.train.2": {"name": "RandomGamma"}}, "transform RandomGamma"),
        ({"data.source": "shapes:8", "data.options": {"size": 32}}, "source shapes"),
        ({"data.source": "shapes:8"}, "source shapes"),
    ],
)
def test_each_part_that_a_config_names_is_one_that_it_uses(overrides: dict[str, object], use: str) -> None:
    load_plugin(PACKAGE)
    assert uses(**overrides) == [use]


def test_records_load_back_with_the_hash_of_the_code() -> None:
    load_plugin(PACKAGE)
    records = used_plugins(read_config(V5, {"model": {"name": "shape_net"}}))
    assert parse_records(json.loads(json.dumps(dump_records(records))), "x") == records
    assert records["mtl_accel_shapes"].sha256 == digest(PACKAGE)


@pytest.mark.parametrize("wrong", [3, [1], {"own": 3}, {"own": {"uses": "model"}}, {"own": {"sha256": 1}}])
def test_records_that_no_run_wrote_are_told_and_those_of_an_environment_are_none(wrong: object, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^m.json: plugins.*no run wrote that"):
        parse_records({"plugins": wrong}, "m.json")
    (tmp_path / "environment.json").write_text(json.dumps({"plugins": wrong}))
    assert records_of_run(tmp_path) == records_of_run(tmp_path / "nowhere") == {}


def test_a_missing_plugin_is_told_with_what_is_used_of_it_and_how_it_comes() -> None:
    load_plugin(PACKAGE)
    here = PluginRecord(uses=("model shape_net",))
    (message,) = missing_problems({"own_parts": RECORD, "any_name": here}, "runs/own")
    assert message.startswith("runs/own: uses model own, loss other of the plugin own_parts, 1.2 (SHA-256 abababababab")
    assert "pip install own-parts, or --plugin own_parts, or --plugin FILE" in message


def test_of_a_plugin_that_is_installed_and_broken_the_cause_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_broken", {"own_parts": "plugin own_parts: cannot be imported: OSError: no"})
    (message,) = missing_problems({"own_parts": RECORD}, "runs/own")
    assert message.endswith("it is installed, but plugin own_parts: cannot be imported: OSError: no")
    with pytest.raises(UserError) as caught:
        read_config(V5, {"balancing": {"name": "of_the_plugin"}})
    assert caught.value.problems[1:] == ["plugin own_parts: cannot be imported: OSError: no"]


def test_what_a_notebook_registered_is_asked_of_a_notebook() -> None:
    (message,) = missing_problems({"__main__": RECORD}, "runs/own")
    assert "of a notebook; run the cells that register it before, or give a file of them by --plugin FILE" in message


def test_other_code_of_a_plugin_is_a_change_and_a_plugin_more_or_less_is_that_of_the_config() -> None:
    other = RECORD.model_copy(update={"sha256": "cd" * 32})
    assert plugin_changes({"a": RECORD, "b": RECORD}, {"a": RECORD, "c": RECORD}) == {}
    assert plugin_changes({"a": RECORD}, {"a": other}) == {
        "a": ("1.2 (SHA-256 abababababab...)", "1.2 (SHA-256 cdcdcdcdcdcd...)")
    }


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"data.options": {"size": 32}}, "data.options.name: is missing"),
        ({"data.options": {"name": "other"}}, "data.options: belongs to the source 'other:...' of a plugin"),
        ({"data.source": "shapes:8", "data.options": {"sise": 8}}, "did you mean 'size'"),
        ({"data.source": "shapes:8", "data.options.name": "shapes", "data.options.size": 8}, "greater than or equal"),
    ],
)
def test_knobs_of_a_source_are_those_of_the_source_that_is_named(overrides: dict[str, object], message: str) -> None:
    load_plugin(PACKAGE)
    with pytest.raises(UserError, match=message.replace("(", r"\(")):
        read_config(V5, overrides)


def test_the_section_of_all_networks_stays_one_model() -> None:
    assert annotation_of(type(read_config(V5)).model_fields["model"]).__origin__ is ModelConfig
