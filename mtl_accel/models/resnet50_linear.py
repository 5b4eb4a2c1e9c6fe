"""ResNet-50 without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import ResNet50_Weights, resnet50

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class ResNet50Linear(Pair):
    """The heads read the 2048 pooled features."""

    pretrained = ResNet50_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = resnet50()
        self.backbone.fc = nn.Identity()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: linear(2048, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
