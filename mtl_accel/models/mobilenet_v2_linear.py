"""MobileNetV2 without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class MobileNetV2Linear(Pair):
    """The heads read the 1280 pooled features."""

    pretrained = MobileNet_V2_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = mobilenet_v2()
        # Torchvision's classifier is Dropout and Linear; both go.
        self.backbone.classifier = nn.Identity()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: linear(1280, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
