"""The section `model` of a backbone and a head: what it is called, and that the config of the run says all of it."""

from __future__ import annotations

import enum
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from config_cases import small
from pydantic import Field

from mtl_accel.config import validate
from mtl_accel.config.extension.open_unions import add_section, remove_section
from mtl_accel.config.sections.model import ModelConfig
from mtl_accel.core.errors import UserError

LINEAR, MLP = {"name": "linear", "dropout": 0.0}, {"name": "mlp", "hidden": 512, "dropout": 0.2}


@pytest.mark.parametrize(
    ("given", "name", "head"),
    [
        ({"backbone": "resnet18", "head": "mlp"}, "composed", MLP),
        ({"backbone": "resnet18", "head": {"name": "mlp", "hidden": 8}}, "composed", MLP | {"hidden": 8}),
        ({"backbone": "resnet18"}, "composed", LINEAR),
        ({"head": "mlp"}, "composed", MLP),
        ({"name": "composed", "backbone": "resnet18"}, "composed", LINEAR),
        ({"name": "timm_linear", "backbone": "resnet18"}, "timm_linear", None),
        ({"backbone": None, "head": None}, "resnet18_relu_linear", None),
        ({}, "resnet18_relu_linear", None),
    ],
)
def test_a_backbone_and_a_head_need_no_name_and_are_written_out(given: Any, name: str, head: Any) -> None:
    config = validate(small(model=given), "c.json")
    written = json.loads(config.model_dump_json(by_alias=True))
    assert (written["model"]["name"], written["model"]["head"]) == (name, head)
    assert validate(written, "config.json") == config
    assert config.model == ModelConfig(**given)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"head": "mpl"}, "model.head.name: 'mpl' is none of linear, relu_linear, mlp, query; did you mean 'mlp'?"),
        ({"head": {"name": "mlp", "hiden": 3}}, "model.head.hiden: no such key (got 3); did you mean 'hidden'?"),
        ({"head": {"name": "mlp", "hidden": "8"}}, 'model.head.hidden: must be a valid integer (got "8")'),
        ({"head": {"name": "query", "num_heads": 3}}, "model.head.num_heads: must divide the width, 256 (got 3)"),
        ({"img_size": [224]}, "model.img_size"),
        ({"img_size": 224}, "model.img_size"),
        ({"backbone": "x" * 257}, "model.backbone: must have at most 256 characters"),
    ],
)
def test_what_is_wrong_with_a_head_is_told_by_its_place(model: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        validate(small(model=model, tasks={**small()["tasks"]}), "c.json")
    assert any(message in problem for problem in error.value.problems)


class Size(enum.Enum):
    SMALL = "small"


class Net(ModelConfig):
    """A network of a plugin, whose knobs JSON has no types for."""

    name: Literal["net"]
    widths: tuple[tuple[int, int], ...] = Field((), description="Widths.")
    depths: list[int] = Field([], description="Depths.")
    size: Size = Field(Size.SMALL, description="Size.")
    table: Path | None = Field(None, description="A file.")


def test_a_section_of_a_plugin_may_have_knobs_of_any_type() -> None:
    model = {"name": "net", "widths": [[1, 2], [3, 4]], "depths": [5], "size": "small", "table": "a.txt"}
    add_section("model", "net", Net)
    try:
        config = validate(small(model=model), "c.json")
        assert config.model == Net(
            name="net", widths=((1, 2), (3, 4)), depths=[5], size=Size.SMALL, table=Path("a.txt")
        )
        with pytest.raises(UserError, match=r"model.depths.0: must be a valid integer \(got \"5\"\)"):
            validate(small(model=model | {"depths": ["5"]}), "c.json")
    finally:
        remove_section("model", "net")
