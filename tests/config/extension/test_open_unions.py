"""Sections that are added to a union: pydantic, --help, the schema and messages know them as they know the built-in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import Field

from mtl_accel.config import Config, help_text, json_schema, read_config, validate
from mtl_accel.config.base import Section
from mtl_accel.config.extension.open_unions import add_section, remove_section
from mtl_accel.config.sections.model import ModelConfig
from mtl_accel.core.errors import UserError
from mtl_accel.runs.model_config import TaskPart

V5 = "configs/v5.json"


class Net(ModelConfig):
    """A network of the test."""

    name: Literal["net"]
    net_width: int = Field(32, gt=0, description="Width of the net.")


class Loss(Section):
    """A loss of the test."""

    name: Literal["poly"]
    poly_epsilon: float = Field(1.0, ge=0, description="Weight of the first term.")


class Balance(Section):
    """A balancer of the test."""

    name: Literal["even"]
    even_share: float = Field(0.5, ge=0, description="Share of it.")


class Dim(Section):
    """A transform of the test."""

    name: Literal["Dim"]
    dim_factor: float = Field(0.5, gt=0, description="Factor of the pixels.")


MEMBERS: dict[str, tuple[type[Section], str, str, Any]] = {
    "model": (Net, "model", "net_width", 0),
    "multiclass loss": (Loss, "tasks.category.loss", "poly_epsilon", -1),
    "balancing": (Balance, "balancing", "even_share", -1),
    "transform": (Dim, "transforms.train.2", "dim_factor", 0),
}


@pytest.fixture(params=list(MEMBERS))
def member(request: pytest.FixtureRequest) -> Iterator[tuple[type[Section], str, str, Any]]:
    section, *where = MEMBERS[request.param]
    name = section.model_fields["name"].annotation.__args__[0]
    add_section(request.param, name, section)
    yield section, *where
    remove_section(request.param, name)


def name_of(section: type[Section]) -> str:
    return section.model_fields["name"].annotation.__args__[0]


def test_a_config_holds_an_added_section_and_loads_back_equal(member: tuple[type[Section], str, str, Any]) -> None:
    section, place, _, _ = member
    config = read_config(V5, {place: {"name": name_of(section)}})
    found: Any = config
    for key in place.split("."):
        found = found[int(key)] if key.isdecimal() else found[key] if isinstance(found, dict) else getattr(found, key)
    assert type(found) is section
    assert validate(json.loads(config.model_dump_json(by_alias=True)), "config.json") == config


def test_messages_know_the_keys_and_rules_of_an_added_section(member: tuple[type[Section], str, str, Any]) -> None:
    section, place, knob, wrong = member
    with pytest.raises(UserError) as caught:
        read_config(V5, {place: {"name": name_of(section)}, f"{place}.{knob}": wrong, f"{place}.{knob[:-1]}": 1})
    rule, unknown = sorted(caught.value.problems, key=lambda problem: "no such key" in problem)
    assert rule.startswith(f"--{place}.{knob}: must be greater than")
    assert unknown == f"--{place}.{knob[:-1]}: no such key (got 1); did you mean '{knob}'?"


def test_a_key_of_an_added_section_is_none_of_the_others(member: tuple[type[Section], str, str, Any]) -> None:
    _, place, knob, _ = member
    with pytest.raises(UserError, match=f"{place}.{knob}: no such key"):
        read_config(V5, {f"{place}.{knob}": 1})


def test_a_misspelt_name_finds_the_added_one(member: tuple[type[Section], str, str, Any]) -> None:
    section, place, _, _ = member
    if section is not Net:  # names of pairs are looked up when the run starts
        with pytest.raises(UserError, match=f"did you mean '{name_of(section)}'"):
            read_config(V5, {place: {"name": f"{name_of(section)}s"}})


def test_help_and_schema_show_an_added_section_once(member: tuple[type[Section], str, str, Any]) -> None:
    section, _, knob, _ = member
    text, schema = help_text("train.py", "Train.", {}), json.loads(json_schema())
    lines = [line for line in text.splitlines() if line.endswith(f".{knob}")]
    assert len(lines) == 1
    assert section.model_fields[knob].description in " ".join(text.split())
    assert f'"{name_of(section)}"' in text
    assert knob in schema["$defs"][section.__name__]["properties"]
    assert text.count("--model.weights\n") == 1


def test_a_config_with_an_added_section_fits_the_schema(member: tuple[type[Section], str, str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    section, place, knob, _ = member
    validator = jsonschema.Draft202012Validator(json.loads(json_schema()))
    config = read_config(V5, {place: {"name": name_of(section), knob: 1}})
    assert list(validator.iter_errors(json.loads(config.model_dump_json(by_alias=True)))) == []


def test_the_added_section_of_one_pair_leaves_those_of_the_others_as_they_are() -> None:
    before = read_config(V5)
    add_section("model", "net", Net)
    try:
        assert read_config(V5) == before
        for wrong in (3, {"name": 3}, {"weights": 3}):
            with pytest.raises(UserError, match=r"^--model: (model(\.name|\.weights): )?must be"):
                read_config(V5, {"model": wrong})
    finally:
        remove_section("model", "net")


def test_models_that_only_embed_a_union_are_rebuilt() -> None:
    part = {"kind": "multiclass", "columns": ["c"], "classes": ["a"], "primary_metric": "accuracy", "weight": 1}
    part |= {"delimiter": " ", "loss": {"name": "poly"}}
    with pytest.raises(ValueError, match="poly"):
        TaskPart.model_validate(part)
    add_section("multiclass loss", "poly", Loss)
    try:
        assert TaskPart.model_validate(part).loss == Loss(name="poly")
    finally:
        remove_section("multiclass loss", "poly")


def test_without_added_sections_all_is_as_it_was(member: tuple[type[Section], str, str, Any]) -> None:
    for union, (section, *_) in MEMBERS.items():
        remove_section(union, name_of(section))
    assert json_schema() == Path("configs/schema.json").read_text(encoding="utf-8")
    assert Config.model_fields["model"].annotation is ModelConfig
