"""Backbone-head pairs. A new pair is one file here and one line in MODELS; the tests then walk it too.

A pair of any backbone and any head needs no file: BACKBONES and HEADS hold what `composed` is made of.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import torch

from ..config.knobs import did_you_mean
from ..config.sections.heads import Head
from ..config.sections.model import COMPOSED, Architecture, ModelConfig
from ..core.errors import UserError, collect
from ..core.plugins.loading import registered_by
from ..core.tasks import Task
from .backbones import BACKBONES, find_backbone
from .backbones.timm_networks import full_name
from .base import Pair
from .composed import Composed
from .convnext_tiny_linear import ConvNeXtTinyLinear
from .efficientnet_v2_s_linear import EfficientNetV2SLinear
from .gradient_checkpointing import checkpoint_gradients
from .head_types import HEADS, build_head, reads_map
from .heads import SharedThresholds
from .mobilenet_v2_linear import MobileNetV2Linear
from .mobilenet_v2_mlp import MobileNetV2MLP
from .mobilenet_v2_query import MobileNetV2Query
from .mobilenet_v3_large_linear import MobileNetV3LargeLinear
from .resnet18_linear import ResNet18Linear
from .resnet18_mlp import ResNet18MLP
from .resnet18_query import ResNet18Query
from .resnet18_relu_linear import ResNet18ReluLinear
from .resnet50_linear import ResNet50Linear
from .stochastic_depth import set_drop_path_rate
from .swin_t_linear import SwinTLinear
from .timm_linear import TimmLinear
from .vgg16_linear import VGG16Linear
from .vgg16_relu_linear import VGG16ReluLinear
from .vit_b_16_linear import ViTB16Linear
from .weights import collect_loaded_weights

__all__ = ["BACKBONES", "HEADS", "MODELS", "build_model", "build_pair", "building_problems", "pair_problems"]

MODELS: dict[str, type[Pair]] = {
    "resnet18_relu_linear": ResNet18ReluLinear,
    "vgg16_relu_linear": VGG16ReluLinear,
    "resnet18_linear": ResNet18Linear,
    "resnet18_mlp": ResNet18MLP,
    "resnet18_query": ResNet18Query,
    "resnet50_linear": ResNet50Linear,
    "vgg16_linear": VGG16Linear,
    "mobilenet_v2_linear": MobileNetV2Linear,
    "mobilenet_v2_mlp": MobileNetV2MLP,
    "mobilenet_v2_query": MobileNetV2Query,
    "mobilenet_v3_large_linear": MobileNetV3LargeLinear,
    "efficientnet_v2_s_linear": EfficientNetV2SLinear,
    "convnext_tiny_linear": ConvNeXtTinyLinear,
    "swin_t_linear": SwinTLinear,
    "vit_b_16_linear": ViTB16Linear,
    "timm_linear": TimmLinear,
    COMPOSED: Composed,
}


def build_model(
    model: Architecture, tasks: Mapping[str, Task], weights: str | None, heads: Mapping[str, Head] | None = None
) -> Pair:
    """Build the pair of a config with the head that each task needs; arguments and errors as of `build_pair`."""
    shared = {task: found.num_outputs for task, found in tasks.items() if found.link == "cumulative"}
    outputs = {task: 1 if task in shared else found.num_outputs for task, found in tasks.items()}
    pair = build_pair(model, outputs, weights, heads)
    for task, num_outputs in shared.items():
        pair.heads[task] = SharedThresholds(pair.heads[task], num_outputs)
    return pair


def build_pair(
    model: Architecture, num_outputs: dict[str, int], weights: str | None, heads: Mapping[str, Head] | None = None
) -> Pair:
    """Build a pair with one head for each task. Its random weights come from torch's generator.

    Args:
        num_outputs: by task.
        weights: of the backbone: a published name or a local file; None: random.
        heads: of the tasks that have another one than the model's.

    Raises:
        UserError: there is no such pair or backbone, a head does not fit it, or its weights cannot be fetched, cannot
            be read or do not fit.
    """
    own = {task: head for task, head in (heads or {}).items() if task in num_outputs}
    problems = pair_problems(model, {}, own)
    if problems:
        raise UserError(problems)
    kind = MODELS[model.name]
    options: dict[str, Any] = {"backbone": model.backbone} if kind.takes_backbone else {}
    options |= {knob: own if knob == "task_heads" else getattr(model, knob) for knob in kind.takes}
    # Those that a plugin's section has beside the knobs of every network.
    options |= {knob: getattr(model, knob) for knob in type(model).model_fields if knob not in ModelConfig.model_fields}
    with collect_loaded_weights() as loaded:
        pair = kind(num_outputs, weights, **options)
    pair.loaded_weights = tuple(map(str, loaded))
    if model.drop_path_rate is not None and "drop_path_rate" not in kind.takes:
        set_drop_path_rate(pair.backbone, model.drop_path_rate, model.name)
    if "task_heads" not in kind.takes and own:
        only, smallest = _input_rule(model)
        features = pair.feature_shape(only or (smallest,) * 2)
        for task, head in own.items():
            pair.heads[task] = build_head(head, features, num_outputs[task], f"tasks.{task}.head")
    return pair


def pair_problems(
    model: Architecture, sizes: Mapping[str, tuple[int, int]], heads: Mapping[str, Head] | None = None
) -> list[str]:
    """List what is wrong with the choice of a pair.

    Args:
        sizes: [height, width] of its input, by the place in the config that decides it.
        heads: of the tasks that have another one than the model's.
    """
    if model.name not in MODELS:
        meant = did_you_mean(model.name, MODELS)
        return [f"model.name: {model.name!r} is none of {', '.join(MODELS)}{meant} {registered_by('register_model')}"]
    problems = _knob_problems(model)
    with collect(problems):
        only, smallest = _input_rule(model)
        problems += _map_problems(model, heads or {})
        problems += _size_problems(model.backbone or model.name, only, smallest, sizes)
    return problems


def building_problems(model: ModelConfig, heads: Mapping[str, Head]) -> list[str]:
    """List what only building a pair shows, such as a head that its backbone does not fit.

    It is built without memory, and only where a knob is set that may be wrong so; arguments as of `build_pair`.
    """
    knobs = (model.drop_path_rate, model.img_size)
    if not (heads or model.gradient_checkpointing or any(knob is not None for knob in knobs)):
        return []
    problems: list[str] = []
    # A network whose construction reads values is built once, in earnest.
    with collect(problems), contextlib.suppress(RuntimeError), torch.device("meta"):
        pair = build_pair(model, dict.fromkeys(heads or ["task"], 1), None, heads)
        if model.gradient_checkpointing:
            checkpoint_gradients(pair)
    return problems


def _knob_problems(model: Architecture) -> list[str]:
    """Knobs that the pair has no use for."""
    pair = MODELS[model.name]
    known = (*pair.takes, *(["backbone"] if pair.takes_backbone else []))
    given = {"backbone": model.backbone, "head": model.head and model.head.name}
    example = {"name": COMPOSED, "backbone": given["backbone"] or "resnet18", "head": given["head"] or "linear"}
    problems = [
        f"model.{knob}: {value!r} has no meaning for {model.name}, which has its own; set it to null, or choose both "
        f"yourself: {json.dumps(example)}"
        for knob, value in given.items()
        if value is not None and knob not in known
    ]
    options = {"img_size": model.img_size and list(model.img_size), "pretrained_cfg": model.pretrained_cfg}
    problems += [
        f"model.{knob}: {value!r} is for networks of timm, and {model.name} is none; set it to null"
        for knob, value in options.items()
        if value is not None and knob not in known
    ]
    return problems


def _map_problems(model: Architecture, heads: Mapping[str, Head]) -> list[str]:
    """Heads that read a feature map, on a backbone that gives none; what other pairs give, building them shows."""
    if model.name != COMPOSED or find_backbone(model).gives_map:
        return []
    places = {"model.head": model.head, **{f"tasks.{task}.head": head for task, head in heads.items()}}
    return [
        f"{place}: {head.name!r} reads a feature map, and {model.backbone} gives pooled features only; choose another "
        "head or another backbone"
        for place, head in places.items()
        if head is not None and reads_map(head)
    ]


def _input_rule(model: Architecture) -> tuple[tuple[int, int] | None, int]:
    """[height, width] of the only images that a pair takes, None for any; and the smallest height and width."""
    pair, backbone = MODELS[model.name], model.backbone
    if model.name == COMPOSED:
        found = find_backbone(model)
        return found.only_size, found.min_size
    if "pretrained_cfg" in pair.takes:
        backbone = full_name(backbone, model.pretrained_cfg)
    only = pair.only_size(backbone)
    return model.img_size or only, pair.min_size(backbone)


def _size_problems(
    name: str, only: tuple[int, int] | None, smallest: int, sizes: Mapping[str, tuple[int, int]]
) -> list[str]:
    rule = f"takes only {list(only)}" if only else f"needs at least {[smallest, smallest]}"
    fix = f"end with a Resize or a crop of {list(only)}" if only else "make the Resize or the crop larger"
    return [
        f"{place}: leaves pictures of {list(size)}, and {name} {rule} (height, width); {fix}, or choose another "
        "model.name or model.backbone"
        for place, size in sizes.items()
        if (size != only if only else min(size) < smallest)
    ]
