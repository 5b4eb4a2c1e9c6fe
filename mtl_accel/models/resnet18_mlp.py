"""ResNet-18 without its ImageNet layer, then Linear, GELU, Dropout and Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18

from .base import Pair
from .heads import Heads, mlp
from .weights import load_backbone_weights


class ResNet18MLP(Pair):
    """The heads read the 512 pooled features, and have a hidden layer each."""

    pretrained = ResNet18_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = resnet18()
        self.backbone.fc = nn.Identity()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: mlp(512, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
