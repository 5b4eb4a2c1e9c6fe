"""ConvNeXt-T without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import ConvNeXt_Tiny_Weights, convnext_tiny

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class ConvNeXtTinyLinear(Pair):
    """The heads read the 768 pooled features after their LayerNorm."""

    pretrained = ConvNeXt_Tiny_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        network = convnext_tiny()
        # Torchvision's classifier is LayerNorm, Flatten and Linear; only the last goes.
        network.classifier[2] = nn.Identity()
        load_backbone_weights(network, weights, self.pretrained)
        self.backbone = network
        self.heads = Heads({task: linear(768, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
