"""ViT-B/16 without its ImageNet layer, then Linear for each task."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import VisionTransformer, ViT_B_16_Weights, vit_b_16

from .base import Pair
from .heads import Heads, linear
from .weights import load_backbone_weights


class ViTB16Linear(Pair):
    """The heads read the 768 features of the class token. Its position embeddings are those of 224 x 224 pixels."""

    pretrained = ViT_B_16_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone: VisionTransformer = vit_b_16()
        self.backbone.heads = nn.Identity()
        load_backbone_weights(self.backbone, weights, self.pretrained)
        self.heads = Heads({task: linear(768, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, 224, 224] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))

    @classmethod
    def only_size(cls, backbone: str | None) -> tuple[int, int]:
        return 224, 224

    def layers(self) -> list[nn.Module]:
        encoder = self.backbone.encoder
        embeddings = nn.ParameterList([self.backbone.class_token, encoder.pos_embedding])
        first, *others, last = encoder.layers
        # Patches and positions make the tokens; the last LayerNorm goes with the layer before it.
        patches = nn.ModuleList([self.backbone.conv_proj, embeddings])
        return [patches, first, *others, nn.ModuleList([last, encoder.ln])]
