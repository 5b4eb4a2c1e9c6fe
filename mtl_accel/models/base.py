"""What every pair has and keeps; each pair's file is otherwise whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from torch import nn
from torchvision.models import WeightsEnum

from .heads import Heads

SMALLEST = 32  # pixels: the backbones make 1 of them
_CONTAINERS = (nn.Sequential, nn.ModuleList)


class Pair(nn.Module):
    """A backbone and one head a task.

    Made from ({task: number of outputs}, weights of the backbone), and where `takes_backbone` the backbone's name;
    forward takes normalised float images [B, 3, H, W] and gives {task: logits [B, number of outputs]}.

    What gradient balancing, freezing and learning rates by layer rely on:
        `forward(images)` is `heads(backbone(images))`, and `backbone(images)` is one tensor: pooled features [B, F], or
        a feature map [B, F, h, w]. Backbone and heads together hold all parameters, and none twice. `heads` has one
        module a task, which no other task uses.
    """

    pretrained: ClassVar[type[WeightsEnum]]  # whose names `weights` may be
    takes_backbone: ClassVar[bool] = False
    backbone: nn.Module
    heads: Heads

    @classmethod
    def only_size(cls, backbone: str | None) -> tuple[int, int] | None:
        """[height, width] of the only pictures that it takes; None: any of at least SMALLEST.

        Raises:
            UserError: there is no such backbone.
        """
        return None

    def layers(self) -> list[nn.Module]:
        """The backbone's blocks from input to output: each of its parameters is in exactly one of them.

        A block is a residual block, an encoder layer, or a convolution or Linear that stands alone. A normalisation
        belongs to the block before it; parameters that stand in no block, such as position embeddings, to the first.
        """
        groups: list[list[nn.Module]] = []
        for module in _blocks(self.backbone):
            sizes = {parameter.ndim for parameter in module.parameters()}
            if groups and sizes == {1}:
                groups[-1].append(module)
            elif sizes:
                groups.append([module])
        bare = list(self.backbone.parameters(recurse=False))
        if bare:
            groups[0].append(nn.ParameterList(bare))
        return [group[0] if len(group) == 1 else nn.ModuleList(group) for group in groups]


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The children, in the order of forward; plain containers and stages are opened, what else there is are blocks."""
    for child in module.children():
        if type(child) in _CONTAINERS or _is_stage(child):
            yield from _blocks(child)
        else:
            yield child


def _is_stage(module: nn.Module) -> bool:
    """Whether it is one of timm's stages, modules of their own around a container that they all call `blocks`."""
    return isinstance(getattr(module, "blocks", None), _CONTAINERS) and not list(module.parameters(recurse=False))
