"""EfficientNetV2-S without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import EfficientNet_V2_S_Weights, efficientnet_v2_s

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class EfficientNetV2SLinear(Pair):
    """The heads read the 1280 pooled features."""

    pretrained = EfficientNet_V2_S_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = efficientnet_v2_s()
        # Torchvision's classifier is Dropout and Linear; both go.
        self.backbone.classifier = nn.Identity()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: linear(1280, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
