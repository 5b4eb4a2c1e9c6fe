"""ResNet-18 up to its feature map, to which one learned query for each output attends."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18

from .base import Pair
from .heads import Heads, QueryHead
from .weights import load_backbone_weights


class ResNet18Query(Pair):
    """The heads read the feature map [B, 512, H / 32, W / 32], rounded up; no pooling mixes its places before them.

    A multiclass task has one query for each class too: a pair does not know the kinds of its tasks, and in the paper
    such a head serves single-label classification as well.
    """

    pretrained = ResNet18_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        network = resnet18()
        network.fc = nn.Identity()
        load_backbone_weights(network, weights, self.pretrained)
        # Without the last two, pooling and classifier, under torchvision's names.
        self.backbone = nn.Sequential(OrderedDict(list(network.named_children())[:-2]))
        self.heads = Heads({task: QueryHead(512, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
