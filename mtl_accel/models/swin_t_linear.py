"""Swin-T without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import Swin_T_Weights, swin_t

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class SwinTLinear(Pair):
    """The heads read the 768 pooled features. Windows are padded, so that any size of image will do."""

    pretrained = Swin_T_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = swin_t()
        self.backbone.head = nn.Identity()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: linear(768, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
