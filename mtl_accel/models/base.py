"""The base class of all pairs of a backbone and heads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torchvision.models import WeightsEnum
from torchvision.models.maxvit import MaxVitBlock
from torchvision.models.regnet import AnyStage
from torchvision.models.vision_transformer import Encoder

from .backbones.record import MIN_SIZE
from .heads import Heads

CONTAINERS = (nn.Sequential, nn.ModuleList)
_TORCHVISION_STAGES = (AnyStage, Encoder, MaxVitBlock)


class Pair(nn.Module):
    """A backbone, and one head for each task.

    The arguments of a pair are {task: number of outputs}, the weights of the backbone and, where `takes_backbone`, the
    name of the backbone; further knobs of the section `model` by their names, if it `takes` any. `forward` takes
    normalized float images [B, 3, H, W] and returns {task: logits [B, number of outputs]}.

    Gradient balancing, freezing and learning rates by layer rely on this:
        `forward(images)` is `heads(backbone(images))`, and `backbone(images)` is one tensor: pooled features [B, F], or
        a feature map [B, F, h, w]. Backbone and heads together hold all parameters, and none is in both. `heads` has
        one module for each task, which no other task uses.
    """

    pretrained: ClassVar[type[WeightsEnum]]  # its names are those that `weights` may have
    takes_backbone: ClassVar[bool] = False
    takes: ClassVar[tuple[str, ...]] = ()  # knobs of config.sections.model.Architecture, beside name and backbone
    backbone: nn.Module
    heads: Heads
    loaded_weights: tuple[str, ...] = ()  # what was loaded into the backbone and what was left, a line for each file

    @classmethod
    def only_size(cls, backbone: str | None) -> tuple[int, int] | None:
        """[height, width] of the only images that it takes; None: any of at least MIN_SIZE.

        Raises:
            UserError: there is no such backbone.
        """
        return None

    @classmethod
    def min_size(cls, backbone: str | None) -> int:
        """Smallest height and width of its images in pixels."""
        return MIN_SIZE

    def feature_shape(self, size: tuple[int, int]) -> torch.Size:
        """Shape of the backbone's output for one image of [height, width]: [F], or [F, h, w] of a feature map."""
        return feature_shape(self.backbone, size)

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
        in_blocks = {parameter for group in groups for module in group for parameter in module.parameters()}
        own = [parameter for parameter in self.backbone.parameters() if parameter not in in_blocks]
        if own:
            groups[0].append(nn.ParameterList(own))
        return [group[0] if len(group) == 1 else nn.ModuleList(group) for group in groups]


def feature_shape(backbone: nn.Module, size: tuple[int, int]) -> torch.Size:
    """Shape of a backbone's output for one image of [height, width], without the first dimension.

    Nothing is computed where the backbone runs on tensors of the "meta" device in place of its own.
    """
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()  # which leaves running statistics and random numbers alone
    try:
        with torch.no_grad():
            return _output_on_meta(backbone, size).shape[1:]
    finally:
        for module, mode in modes.items():
            module.training = mode


def _output_on_meta(backbone: nn.Module, size: tuple[int, int]) -> Tensor:
    own = {**dict(backbone.named_parameters()), **dict(backbone.named_buffers())}
    state = {name: tensor.to("meta") for name, tensor in own.items()}
    try:
        return torch.func.functional_call(backbone, state, torch.empty(1, 3, *size, device="meta"))
    except (RuntimeError, TypeError):  # it reads values, or has tensors that it does not register
        device = next(iter(own.values())).device if own else torch.device("cpu")
        return backbone(torch.zeros(1, 3, *size, device=device))


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The blocks of a module, in the order of its children. Containers and stages are opened; all else is a block."""
    for child in module.children():
        if type(child) in CONTAINERS or is_stage(child):
            yield from _blocks(child)
        else:
            yield child


def is_stage(module: nn.Module) -> bool:
    """Whether it is a stage: a module around a container of blocks, which all of timm's stages call `blocks`."""
    if isinstance(module, _TORCHVISION_STAGES):
        return True
    return isinstance(getattr(module, "blocks", None), CONTAINERS) and not list(module.parameters(recurse=False))
