"""Any backbone of BACKBONES or of timm, with any head of HEADS for each task."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..config.sections.heads import Head
from ..config.sections.model import COMPOSED, Architecture
from .backbones import find_backbone
from .base import Pair, feature_shape
from .head_types import build_head, reads_map
from .heads import Heads
from .stochastic_depth import set_drop_path_rate


class Composed(Pair):
    """The backbone gives a feature map if any of the heads reads one; heads of pooled features then read its mean."""

    takes_backbone = True
    takes = ("head", "drop_path_rate", "img_size", "pretrained_cfg", "task_heads")

    def __init__(
        self,
        num_outputs: dict[str, int],
        weights: str | None = None,
        backbone: str | None = None,
        head: Head | None = None,
        drop_path_rate: float | None = None,
        img_size: tuple[int, int] | None = None,
        pretrained_cfg: str | None = None,
        task_heads: Mapping[str, Head] | None = None,
    ) -> None:
        super().__init__()
        model = Architecture(
            name=COMPOSED, backbone=backbone, head=head, img_size=img_size, pretrained_cfg=pretrained_cfg
        )
        found, own = find_backbone(model), task_heads or {}
        assert model.head is not None  # linear, if none is given
        heads = {task: own.get(task, model.head) for task in num_outputs}
        as_map = any(map(reads_map, heads.values()))
        rate = (drop_path_rate,) if found.takes_drop_path_rate else ()
        self.backbone = found.build(weights, as_map, *rate)
        if drop_path_rate is not None and not found.takes_drop_path_rate:
            set_drop_path_rate(self.backbone, drop_path_rate, str(backbone))
        features = feature_shape(self.backbone, found.only_size or (found.min_size,) * 2)
        places = {task: f"tasks.{task}.head" if task in own else "model.head" for task in num_outputs}
        self.heads = Heads({t: build_head(heads[t], features, n, places[t]) for t, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))

    @classmethod
    def only_size(cls, backbone: str | None) -> tuple[int, int] | None:
        return find_backbone(Architecture(name=COMPOSED, backbone=backbone)).only_size

    @classmethod
    def min_size(cls, backbone: str | None) -> int:
        return find_backbone(Architecture(name=COMPOSED, backbone=backbone)).min_size
