"""The sections `model` and `transforms`: the network, and what is done to its images."""

from __future__ import annotations

from pydantic import Field

from ..base import Section
from .transforms import FixedTransform, Transform


class ModelConfig(Section):
    """The network: a backbone and one head a task."""

    name: str = Field(
        "resnet18_relu_linear", description="A pair of mtl_accel.models.MODELS, such as vgg16_relu_linear."
    )
    weights: str | None = Field(
        None,
        description="Weights of the backbone: null (random), a torchvision name such as IMAGENET1K_V1 (of timm_linear "
        '"pretrained"), or the path of a local .pth or .safetensors file or of a finished run.',
    )
    backbone: str | None = Field(
        None, description="Backbone of timm_linear by timm's name, such as resnet18.a1_in1k; null for all others."
    )
    backbone_lr_scale: float = Field(
        1.0, gt=0, description="Learning rate of the backbone, as a multiple of optimizer.lr, which the heads have."
    )
    layer_lr_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor on the rate from each block of the backbone to the block before it; the last block has it "
        "once.",
    )
    freeze_backbone_epochs: int = Field(
        0,
        ge=0,
        description="First epochs, in which the heads alone train. The backbone is in evaluation mode then: "
        "BatchNorm's running statistics stand still.",
    )


class TransformsConfig(Section):
    """Image transforms in order."""

    train: tuple[Transform, ...] = Field(min_length=1, description="For training.")
    eval: tuple[FixedTransform, ...] = Field(min_length=1, description="For validation, test and prediction.")
