"""Stochastic depth (Huang et al., 2016): residual blocks that are left out at random in training."""

from __future__ import annotations

from torch import nn
from torchvision.ops import StochasticDepth

from ..core.errors import UserError


def set_drop_path_rate(network: nn.Module, rate: float, name: str) -> None:
    """Set how often the last block of a network is left out; those before it keep their ratio to it.

    The ratios are torchvision's, which rise linearly from the first block; networks of timm take the rate themselves.

    Args:
        name: of the network, for the message.

    Raises:
        UserError: the network has no stochastic depth.
    """
    layers = [module for module in network.modules() if isinstance(module, StochasticDepth)]
    if not layers:
        raise UserError(
            f"model.drop_path_rate: {rate:g} needs stochastic depth, and {name} has none; set it to null, or choose a "
            "ConvNeXt, EfficientNet, Swin or MaxViT of torchvision, or a network of timm"
        )
    highest = max(layer.p for layer in layers)
    for number, layer in enumerate(layers):
        share = layer.p / highest if highest else number / max(len(layers) - 1, 1)
        layer.p = rate * share
