"""ResNet-18 with its ImageNet layer, then ReLU and Linear for each task."""

from __future__ import annotations

from torch import Tensor
from torchvision.models import ResNet18_Weights, resnet18

from .base import Pair
from .heads import Heads, relu_linear
from .weights import load_backbone_weights


class ResNet18ReluLinear(Pair):
    """The heads read the 1000 ImageNet logits, not the pooled features: the pair of versions 1 to 3."""

    pretrained = ResNet18_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = resnet18()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: relu_linear(1000, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
