"""The heads that a config may choose, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from ..config.sections.heads import Head
from ..core.errors import UserError
from .heads import AveragePooled, QueryHead, linear, mlp, relu_linear


@dataclass(frozen=True)
class HeadType:
    """One kind of head.

    Attributes:
        build: takes the number of features and the number of outputs, and the options of the head's section in the
            config by name. It returns a module from features to logits [B, outputs].
        reads_map: whether the module reads a feature map [B, F, h, w], and not pooled features [B, F].
        meaning: what it is, for the reference.
    """

    build: Callable[..., nn.Module]
    meaning: str
    reads_map: bool = False


HEADS: dict[str, HeadType] = {
    "linear": HeadType(linear, "one Linear"),
    "relu_linear": HeadType(relu_linear, "ReLU and one Linear: negative features count as 0"),
    "mlp": HeadType(mlp, "Linear, GELU, Dropout and Linear: a hidden layer of its own for each task"),
    "query": HeadType(
        QueryHead, "one learned query for each output attends to the places of the map (ML-Decoder)", reads_map=True
    ),
}


def reads_map(head: Head) -> bool:
    """Whether a head of a config reads a feature map."""
    return HEADS[head.name].reads_map


def build_head(head: Head, features: Sequence[int], num_outputs: int, place: str) -> nn.Module:
    """Build the head that a section of a config describes.

    Args:
        features: shape of the backbone's output for one picture: [F], or [F, h, w] of a feature map, whose mean over
            all places is what a head of pooled features reads.
        place: of the section in the config, for messages.

    Raises:
        UserError: the head reads a feature map, and the backbone gives pooled features.
    """
    kind = HEADS[head.name]
    if kind.reads_map and len(features) == 1:
        pooled = ", ".join(name for name, other in HEADS.items() if not other.reads_map)
        raise UserError(
            f"{place}: {head.name!r} reads a feature map, and this backbone gives pooled features; take one of "
            f'{pooled}, or a backbone with a map in place of the pair: {{"backbone": "resnet18", "head": "query"}}'
        )
    module = kind.build(features[0], num_outputs, **head.model_dump(exclude={"name"}))
    return AveragePooled(module) if len(features) == 3 and not kind.reads_map else module
