"""MobileNetV3-Large without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import MobileNet_V3_Large_Weights, mobilenet_v3_large

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class MobileNetV3LargeLinear(Pair):
    """The heads read the 1280 features of the last hidden layer, after its Dropout."""

    pretrained = MobileNet_V3_Large_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        network = mobilenet_v3_large()
        # Torchvision's classifier is Linear, Hardswish, Dropout and Linear; only the last goes.
        network.classifier[3] = nn.Identity()
        load_backbone_weights(network, weights, self.pretrained)
        self.backbone = network
        self.heads = Heads({task: linear(1280, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
