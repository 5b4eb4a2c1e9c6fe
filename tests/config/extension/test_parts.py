"""Every kind of part that a plugin registers: its section, its name, and what keeps it from being registered."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import mtl_accel
from mtl_accel.config import help_text, json_schema, read_config
from mtl_accel.core.errors import UserError
from mtl_accel.core.plugins.loading import load_plugin
from mtl_accel.core.plugins.registrations import find, registrations

pytestmark = pytest.mark.usefixtures("no_plugins_left")

V5 = "configs/v5.json"


class Part(NamedTuple):
    """How a kind of part is registered.

    Attributes:
        register: the call in front of its definition, with NAME and CONFIG to be filled in.
        definition: of the class or function.
        base: of the section; None of a part without one.
        built_in: a name that is taken.
        place: where the config holds it.
    """

    register: str
    definition: str
    base: str | None
    built_in: str
    place: str


PARTS = {
    "model": Part(
        'register_model("NAME", config=CONFIG)',
        "class Own(mtl_accel.Pair):\n    pass",
        "ModelConfig",
        "resnet18_linear",
        "model",
    ),
    "backbone": Part(
        'register_backbone("NAME")',
        "def own(weights, as_map):\n    return None",
        None,
        "resnet18",
        "model.backbone",
    ),
    "head": Part(
        'register_head("NAME", config=CONFIG)',
        "def own(in_features, out_features, own_knob=3):\n    return None",
        "Section",
        "mlp",
        "tasks.category.head",
    ),
    "loss": Part(
        'register_loss("NAME", kind=("multiclass", "regression"), config=CONFIG)',
        "def own(section):\n    return None",
        "Section",
        "focal",
        "tasks.category.loss",
    ),
    "balancer": Part(
        'register_balancer("NAME", config=CONFIG)',
        "class Own(mtl_accel.Balancer):\n    pass",
        "Section",
        "upgrad",
        "balancing",
    ),
    "transform": Part(
        'register_transform("NAME", config=CONFIG)',
        "class Own(mtl_accel.Operation):\n    pass",
        "Section",
        "ColorJitter",
        "transforms.train.2",
    ),
    "source": Part(
        'register_source("NAME", config=CONFIG)',
        "def own(argument, options):\n    return {}",
        "SourceOptions",
        "",
        "data.options",
    ),
    "multiclass metric": Part(
        'register_metric("NAME", kind="multiclass")',
        'def own(predictions, target, mask, sample_weight):\n    """Own."""',
        None,
        "accuracy",
        "tasks.category.metrics",
    ),
}
WITH_SECTION = [kind for kind, part in PARTS.items() if part.base]
SECTION = '''class Own{base}(mtl_accel.{base}):
    """The own one."""

    name: Literal["{name}"]
    own_knob: int = Field(3, gt=0, description="The knob of the own one.")


'''


def source_of(kind: str, name: str = "own_part", *, literal: str | None = None, config: str = "") -> str:
    """A plugin with one part. `literal`: another name in its section; `config`: what is given as the section."""
    part = PARTS[kind]
    section = SECTION.format(base=part.base, name=literal or name) if part.base else ""
    call = part.register.replace("NAME", name).replace("CONFIG", config or f"Own{part.base}")
    head = "from typing import Literal\n\nfrom pydantic import Field\n\nimport mtl_accel\n\n\n"
    return f"{head}{section}@mtl_accel.{call}\n{part.definition}\n"


def plugin(folder: Path, text: str, stem: str = "own_parts") -> Path:
    path = folder / f"{stem}.py"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_plugin(path)
    (message,) = caught.value.problems
    assert message.startswith(f"--plugin {path}: plugin {path.stem}: ")
    return message


def test_there_is_a_case_for_every_way_to_register() -> None:
    ways = {name for name in mtl_accel.__all__ if name.startswith("register_")}
    assert {part.register.partition("(")[0] for part in PARTS.values()} == ways


def overrides(kind: str) -> dict[str, object]:
    if kind == "source":
        return {"data.source": "own_part:", "data.options.name": "own_part"}
    return {PARTS[kind].place: {"name": "own_part"}}


@pytest.mark.parametrize("kind", WITH_SECTION)
def test_a_part_is_found_in_configs_help_and_schema_and_gone_without_it(kind: str, tmp_path: Path) -> None:
    load_plugin(plugin(tmp_path, source_of(kind)))
    place = PARTS[kind].place
    read_config(V5, overrides(kind) | {f"{place}.own_knob": 5})
    with pytest.raises(UserError, match=f"{place}.own_knob: must be greater than 0"):
        read_config(V5, overrides(kind) | {f"{place}.own_knob": 0})
    with pytest.raises(UserError, match="did you mean 'own_knob'"):
        read_config(V5, overrides(kind) | {f"{place}.own_knbo": 5})
    assert "The knob of the own one. (int, default 3)" in " ".join(help_text("train.py", "", {}).split())
    assert '"own_knob"' in json_schema()


@pytest.mark.parametrize("kind", WITH_SECTION)
def test_a_part_without_a_section_has_one_of_its_name(kind: str, tmp_path: Path) -> None:
    load_plugin(plugin(tmp_path, source_of(kind, config="None")))
    read_config(V5, overrides(kind))
    section = find(kind, "own_part").section(name="own_part")
    assert pickle.loads(pickle.dumps(section)) == section, "the processes of a loader get it so"
    with pytest.raises(UserError, match="own_knob: no such key"):
        read_config(V5, overrides(kind) | {f"{PARTS[kind].place}.own_knob": 5})


def test_a_metric_is_one_of_a_task_that_lists_it_alone(tmp_path: Path) -> None:
    load_plugin(plugin(tmp_path, source_of("multiclass metric")))
    read_config(V5, {"tasks.category.metrics": ["own_part"], "select_by": "category/own_part"})
    read_config(V5, {"tasks.category.primary_metric": "own_part"})
    with pytest.raises(UserError, match="select_by: 'category/own_part' is none of"):
        read_config(V5, {"select_by": "category/own_part"})
    with pytest.raises(UserError, match="'own_part' is none of those of plugins"):
        read_config(V5, {"tasks.attribute.metrics": ["own_part"]})


@pytest.mark.parametrize("kind", [kind for kind, part in PARTS.items() if part.built_in])
def test_the_name_of_a_built_in_part_is_refused(kind: str, tmp_path: Path) -> None:
    message = refusal(plugin(tmp_path, source_of(kind, PARTS[kind].built_in)))
    assert f"{kind} {PARTS[kind].built_in!r}: a built-in {kind} has this name" in message


@pytest.mark.parametrize("kind", list(PARTS))
def test_one_name_of_two_plugins_or_of_two_parts_of_one_is_refused(kind: str, tmp_path: Path) -> None:
    load_plugin(plugin(tmp_path, source_of(kind), "first_plugin"))
    message = refusal(plugin(tmp_path, source_of(kind), "second_plugin"))
    assert "the plugin first_plugin (first_plugin." in message
    twice = source_of(kind, "twice")
    message = refusal(plugin(tmp_path, twice + twice.replace("class Own(", "class Two(").replace("def own", "def two")))
    assert "has that name already, and so has own_parts.two" in message.lower()
    assert [registration.plugin for registration in registrations()] == ["first_plugin"]


@pytest.mark.parametrize("kind", list(PARTS))
def test_a_name_that_no_config_could_have_is_refused(kind: str, tmp_path: Path) -> None:
    assert "must be letters, digits" in refusal(plugin(tmp_path, source_of(kind, "own part:", config="None")))


@pytest.mark.parametrize("kind", WITH_SECTION)
def test_a_section_of_another_name_or_base_is_refused(kind: str, tmp_path: Path) -> None:
    base = PARTS[kind].base
    message = refusal(plugin(tmp_path, source_of(kind, literal="other"), "other_name"))
    assert f"Own{base} must have the field \"name: Literal['own_part']\"" in message
    assert f"is no subclass of mtl_accel.{base}" in refusal(plugin(tmp_path, source_of(kind, config="dict"), "no_base"))


@pytest.mark.parametrize("kind", ["model", "balancer", "transform"])
def test_a_class_of_another_base_is_refused(kind: str, tmp_path: Path) -> None:
    base = PARTS[kind].definition.partition("(")[2].partition(")")[0]
    message = refusal(plugin(tmp_path, source_of(kind).replace(f"Own({base})", "Own")))
    assert f"Own is no subclass of {base}" in message


def test_a_kind_of_task_that_there_is_none_of_and_an_ordinal_loss_without_a_link_are_refused(tmp_path: Path) -> None:
    for number, (kind, before, after, reason) in enumerate(
        [
            ("loss", '("multiclass", "regression")', '"binary"', "kind binary is none of multiclass"),
            ("loss", '("multiclass", "regression")', '"ordinal"', "needs link: ClassVar"),
            ("multiclass metric", 'kind="multiclass"', 'kind="binary"', "kind 'binary' is none of multiclass"),
        ]
    ):
        text = source_of(kind).replace(before, after)
        assert reason in refusal(plugin(tmp_path, text, f"plugin_{number}"))


def test_a_gradient_balancer_needs_the_section_of_one(tmp_path: Path) -> None:
    text = source_of("balancer").replace("mtl_accel.Balancer", "mtl_accel.GradientBalancer")
    assert "is no subclass of mtl_accel.OnGradients" in refusal(plugin(tmp_path, text, "plain_section"))
    load_plugin(plugin(tmp_path, text.replace("mtl_accel.Section", "mtl_accel.OnGradients")))
    read_config(V5, {"balancing": {"name": "own_part", "where": "features"}})


@pytest.mark.parametrize("kind", list(PARTS))
def test_a_module_that_runs_again_replaces_its_part(kind: str, tmp_path: Path) -> None:
    path = plugin(tmp_path, source_of(kind))
    load_plugin(path)
    before = find(kind, "own_part")
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), vars(sys.modules["own_parts"]))
    assert find(kind, "own_part").target is not before.target
    assert len(registrations()) == 1
    if PARTS[kind].base:
        read_config(V5, overrides(kind))
