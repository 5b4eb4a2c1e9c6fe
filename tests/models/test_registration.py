"""Backbones, heads and networks of a plugin are built as the built-in ones, with their knobs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mtl_accel import models
from mtl_accel.config import read_config
from mtl_accel.config.rules.plugin_uses import used_plugins
from mtl_accel.core.errors import UserError
from mtl_accel.core.plugins.loading import load_plugin
from mtl_accel.core.tasks import Task

pytestmark = pytest.mark.usefixtures("no_plugins_left")

PLUGIN = '''
from typing import Literal

import mtl_accel
from pydantic import Field
from torch import nn


class ScaledConfig(mtl_accel.Section):
    """Linear, and a factor."""

    name: Literal["scaled"]
    bias: bool = Field(True, description="Whether it has a bias.")


@mtl_accel.register_head("scaled", config=ScaledConfig)
def scaled(in_features, out_features, bias=True):
    """A head of the test."""
    return nn.Linear(in_features, out_features, bias=bias)


@mtl_accel.register_backbone("tiny", gives_map=True)
def tiny(weights, as_map):
    """A backbone of the test."""
    layers = [nn.Conv2d(3, 5, 3, stride=4)]
    return nn.Sequential(*layers, *([] if as_map else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]))

@mtl_accel.register_backbone("bare", gives_map=True)
class Bare(nn.Conv2d):
    """A class of the test, which takes nothing and always gives a map."""

    def __init__(self, channels=4):
        super().__init__(3, channels, 3, stride=4)
'''
NEEDY = """
import mtl_accel


@mtl_accel.register_backbone("needy")
def needy(channels):
    raise AssertionError("not called")
"""
TASKS = {"category": Task("category", "multiclass", ("c",), ("a", "b", "c"), "accuracy")}


@pytest.fixture(autouse=True)
def plugin(no_plugins_left: None, tmp_path: Path) -> None:
    path = tmp_path / "tiny_parts.py"
    path.write_text(PLUGIN, encoding="utf-8")
    load_plugin(path)


def built(model: dict[str, object]) -> tuple[models.Pair, list[str]]:
    config = read_config("configs/v5.json", {"model": model})
    used = [use for record in used_plugins(config).values() for use in record.uses]
    return models.build_model(config.model, TASKS, None), used


def test_a_backbone_and_a_head_of_a_plugin_are_paired_by_config() -> None:
    pair, used = built({"backbone": "tiny", "head": {"name": "scaled", "bias": False}})
    assert pair(torch.zeros(2, 3, 32, 32))["category"].shape == (2, 3)
    assert pair.heads["category"].bias is None
    assert used == ["head scaled", "backbone tiny"]


@pytest.mark.parametrize("head", ["linear", "query", "scaled"])
@pytest.mark.parametrize("backbone", ["tiny", "bare"])
def test_a_backbone_of_a_plugin_takes_every_head(backbone: str, head: str) -> None:
    pair, _ = built({"backbone": backbone, "head": head})
    assert pair.eval()(torch.zeros(2, 3, 32, 32))["category"].shape == (2, 3)


def test_a_head_of_a_plugin_fits_a_built_in_backbone_by_its_name_alone() -> None:
    pair, used = built({"backbone": "resnet18", "head": "scaled"})
    assert pair.heads["category"].bias is not None
    assert used == ["head scaled"]


@pytest.mark.parametrize(
    ("model", "decorator"),
    [
        ({"name": "put_by_hand"}, "register_model"),
        ({"name": "resnet18_lin"}, "register_model"),
        ({"backbone": "put_by_hand", "head": "linear"}, "register_backbone"),
        ({"backbone": "resnet19", "head": "linear"}, "register_backbone"),
    ],
)
def test_a_network_that_is_not_there_is_told_with_how_one_of_your_own_is_given(
    model: dict[str, str], decorator: str
) -> None:
    (problem,) = models.pair_problems(read_config("configs/v5.json", {"model": model}).model, {})
    assert problem.endswith(f"is registered by mtl_accel.{decorator}, in code that --plugin FILE_OR_MODULE names)")


def test_a_module_that_takes_no_weights_gets_them_from_a_file(tmp_path: Path) -> None:
    config = {"backbone": "bare", "head": "linear"}
    first, _ = built(config)
    save_file(first.backbone.state_dict(), tmp_path / "bare.safetensors")
    model = read_config("configs/v5.json", {"model": config}).model
    second = models.build_model(model, TASKS, str(tmp_path / "bare.safetensors"))
    assert torch.equal(second.backbone.weight, first.backbone.weight)
    with pytest.raises(UserError, match=r"model.weights: 'IMAGENET' of bare is not the path of a file that exists"):
        models.build_model(model, TASKS, "IMAGENET")


def test_a_backbone_that_needs_what_no_config_gives_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "needy_parts.py"
    path.write_text(NEEDY, encoding="utf-8")
    with pytest.raises(UserError, match="needs channels, which no config gives; a backbone takes weights and as_map"):
        load_plugin(path)
