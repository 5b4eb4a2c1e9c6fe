"""VGG-16 without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import VGG16_Weights, vgg16

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class VGG16Linear(Pair):
    """The heads read the 4096 features of the last hidden layer, after its ReLU and Dropout."""

    pretrained = VGG16_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        network = vgg16()
        network.classifier[6] = nn.Identity()
        load_backbone_weights(network, weights, self.pretrained)
        self.backbone = network
        self.heads = Heads({task: linear(4096, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
