"""Backbone-head pairs. A new pair is one file here and one line in MODELS; the tests then walk it too."""

from __future__ import annotations

from collections.abc import Mapping

from ..config.knobs import did_you_mean
from ..core.errors import UserError
from ..core.tasks import Task
from .base import MIN_SIZE, Pair
from .convnext_tiny_linear import ConvNeXtTinyLinear
from .efficientnet_v2_s_linear import EfficientNetV2SLinear
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
from .swin_t_linear import SwinTLinear
from .timm_linear import TimmLinear
from .vgg16_linear import VGG16Linear
from .vgg16_relu_linear import VGG16ReluLinear
from .vit_b_16_linear import ViTB16Linear

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
}


def build_model(name: str, tasks: Mapping[str, Task], weights: str | None, backbone: str | None = None) -> Pair:
    """Build the pair `name` with the head that each task needs; arguments and errors as of `build_pair`."""
    shared = {task: found.num_outputs for task, found in tasks.items() if found.link == "cumulative"}
    outputs = {task: 1 if task in shared else found.num_outputs for task, found in tasks.items()}
    pair = build_pair(name, outputs, weights, backbone)
    for task, num_outputs in shared.items():
        pair.heads[task] = SharedThresholds(pair.heads[task], num_outputs)
    return pair


def build_pair(name: str, num_outputs: dict[str, int], weights: str | None, backbone: str | None = None) -> Pair:
    """Build the pair `name` with one head for each task. Its random weights come from torch's generator.

    Args:
        num_outputs: by task.
        weights: of the backbone: a published name or a local file; None: random.
        backbone: name of the backbone, for a pair that leaves the choice: `timm_linear`.

    Raises:
        UserError: there is no such pair or backbone, or its weights cannot be fetched, cannot be read or do not fit.
    """
    problems = pair_problems(name, backbone, {})
    if problems:
        raise UserError(problems)
    chosen = {"backbone": backbone} if MODELS[name].takes_backbone else {}
    return MODELS[name](num_outputs, weights, **chosen)


def pair_problems(name: str, backbone: str | None, sizes: Mapping[str, tuple[int, int]]) -> list[str]:
    """List what is wrong with the choice of a pair.

    Args:
        sizes: [height, width] of its input, by the place in the config that decides it.
    """
    if name not in MODELS:
        return [f"model.name: {name!r} is none of {', '.join(MODELS)}{did_you_mean(name, MODELS)}"]
    pair = MODELS[name]
    if backbone is not None and not pair.takes_backbone:
        return [f"model.backbone: {backbone!r} has no meaning for {name}, which has its own; set it to null"]
    try:
        only = pair.only_size(backbone)
    except UserError as error:
        return list(error.problems)
    rule = f"takes only {list(only)}" if only else f"needs at least {[MIN_SIZE, MIN_SIZE]}"
    fix = f"end with a Resize or a crop of {list(only)}" if only else "make the Resize or the crop larger"
    return [
        f"{place}: leaves pictures of {list(size)}, and {backbone or name} {rule} (height, width); {fix}, or choose "
        "another model.name"
        for place, size in sizes.items()
        if (size != only if only else min(size) < MIN_SIZE)
    ]
