"""VGG-16 with its ImageNet layer, then ReLU and Linear for each task."""

from __future__ import annotations

from torch import Tensor
from torchvision.models import VGG16_Weights, vgg16

from .base import Pair
from .heads import Heads, relu_linear
from .weights import load_backbone_weights


class VGG16ReluLinear(Pair):
    """The heads read the 1000 ImageNet logits, not the last hidden layer: the pair of versions 4 and 5."""

    pretrained = VGG16_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = vgg16()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: relu_linear(1000, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
