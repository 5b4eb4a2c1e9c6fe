"""A small convolutional network."""

from typing import Literal

from pydantic import Field
from torch import Tensor, nn

import mtl_accel


class ShapeNetConfig(mtl_accel.ModelConfig):
    """Two convolutions with BatchNorm, and one Linear for each task."""

    name: Literal["shape_net"]
    width: int = Field(16, gt=0, description="Channels of the second convolution.")


@mtl_accel.register_model("shape_net", config=ShapeNetConfig)
class ShapeNet(mtl_accel.Pair):
    """The heads read `width` pooled features."""

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None, width: int = 16) -> None:
        super().__init__()
        if weights is not None:
            raise mtl_accel.UserError(f"model.weights: {weights!r}: shape_net has no published weights; set it to null")
        self.backbone = nn.Sequential(
            *(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()),
            *(nn.Conv2d(8, width, 3, stride=2), nn.BatchNorm2d(width), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
        self.heads = mtl_accel.Heads({task: nn.Linear(width, n) for task, n in num_outputs.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[B, 3, H, W] -> {task: [B, num_outputs[task]]}."""
        return self.heads(self.backbone(images))
