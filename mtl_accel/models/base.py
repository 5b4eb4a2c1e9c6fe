"""The base class of all pairs of a backbone and heads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import nn
from torchvision.models import WeightsEnum

from .heads import Heads

MIN_SIZE = 32  # pixels; the backbones reduce them to 1
_CONTAINERS = (nn.Sequential, nn.ModuleList)


class Pair(nn.Module):
    """A backbone, and one head for each task.

    The arguments of a pair are {task: number of outputs}, the weights of the backbone and, where `takes_backbone`, the
    name of the backbone. `forward` takes normalized float images [B, 3, H, W] and returns
    {task: logits [B, number of outputs]}.

    Gradient balancing, freezing and learning rates by layer rely on this:
        `forward(images)` is `heads(backbone(images))`, and `backbone(images)` is one tensor: pooled features [B, F], or
        a feature map [B, F, h, w]. Backbone and heads together hold all parameters, and none is in both. `heads` has
        one module for each task, which no other task uses.
    """

    pretrained: ClassVar[type[WeightsEnum]]  # its names are those that `weights` may have
    takes_backbone: ClassVar[bool] = False
    backbone: nn.Module
    heads: Heads

    @classmethod
    def only_size(cls, backbone: str | None) -> tuple[int, int] | None:
        """[height, width] of the only images that it takes; None: any of at least MIN_SIZE.

        Raises:
            UserError: there is no such backbone.
        """
        return None

    def layers(self) -> list[nn.Module]:
        """The blocks of the backbone from input to output; each parameter is in exactly one of them.

        A block is a residual block, an encoder layer, or a convolution or Linear outside of these. A normalization
        belongs to the block before it; parameters outside of all blocks, such as position embeddings, to the first.
        """
        groups: list[list[nn.Module]] = []
        for module in _blocks(self.backbone):
            sizes = {parameter.ndim for parameter in module.parameters()}
            if groups and sizes == {1}:
                groups[-1].append(module)
            elif sizes:
                groups.append([module])
        own = list(self.backbone.parameters(recurse=False))
        if own:
            groups[0].append(nn.ParameterList(own))
        return [group[0] if len(group) == 1 else nn.ModuleList(group) for group in groups]


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks of a module, in the order of its children. Containers and stages are opened; all else is a block."""
    for child in module.children():
        if type(child) in _CONTAINERS or _is_stage(child):
            yield from _blocks(child)
        else:
            yield child


def _is_stage(module: nn.Module) -> bool:
    """Whether it is a stage of timm: a module around a container, which all of timm's stages call `blocks`."""
    return isinstance(getattr(module, "blocks", None), _CONTAINERS) and not list(module.parameters(recurse=False))
