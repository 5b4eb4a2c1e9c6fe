"""Any backbone of timm without its ImageNet layer, then Linear for each task. Needs the extra `timm`."""

from __future__ import annotations

from torch import Tensor

from .backbones import timm_networks
from .base import Pair
from .heads import Heads, linear


class TimmLinear(Pair):
    """The heads read the output of timm's network with num_classes=0: pooled features, or the last hidden layer.

    Weights are a local file, or with "pretrained" those that timm publishes.
    """

    takes_backbone = True
    takes = ("drop_path_rate", "img_size", "pretrained_cfg")

    def __init__(
        self,
        num_outputs: dict[str, int],
        weights: str | None = None,
        backbone: str | None = None,
        drop_path_rate: float | None = None,
        img_size: tuple[int, int] | None = None,
        pretrained_cfg: str | None = None,
    ) -> None:
        super().__init__()
        name = timm_networks.full_name(backbone, pretrained_cfg)
        timm_networks.pretrained_config(name)  # refuses what is no name of timm's
        assert name is not None
        network = timm_networks.build_network(name, weights, False, drop_path_rate, img_size=img_size)
        self.backbone = network
        self.heads = Heads({task: linear(network.head_hidden_size, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))

    @classmethod
    def only_size(cls, backbone: str | None) -> tuple[int, int] | None:
        return timm_networks.only_size(backbone)
