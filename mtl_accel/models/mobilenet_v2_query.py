"""MobileNetV2 up to its feature map, to which one learned query for each output attends."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models import MobileNet_V2_Weights, mobilenet_v2

from .base import Pair
from .heads import Heads, QueryHead
from .weights import load_backbone_weights


class MobileNetV2Query(Pair):
    """The heads read the feature map [B, 1280, H / 32, W / 32], rounded up; no pooling mixes its places before them.

    A multiclass task has one query for each class too: a pair does not know the kinds of its tasks, and in the paper
    such a head serves single-label classification as well.
    """

    pretrained = MobileNet_V2_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        network = mobilenet_v2()
        network.classifier = nn.Identity()
        load_backbone_weights(network, weights, self.pretrained)
        # Without pooling and classifier, under torchvision's names.
        self.backbone = nn.Sequential(OrderedDict(features=network.features))
        self.heads = Heads({task: QueryHead(1280, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
