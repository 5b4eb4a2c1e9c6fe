"""The sections `model` and `transforms`: the network, and what is done to its images."""

from __future__ import annotations

import contextlib
import json
from typing import Annotated, Any, get_args, get_origin

from pydantic import Field, TypeAdapter, ValidationError, model_validator
from pydantic.fields import FieldInfo

from ..base import SPEED, Section
from .heads import Head
from .transforms import FixedTransform, Transform

COMPOSED = "composed"  # the pair of any backbone and any head
_MAX_NAME = 256  # characters; what is like a name is looked for among thousands of others
_MIN_IMG_SIZE, _MAX_IMG_SIZE = 16, 1024
_Side = Annotated[int, Field(ge=_MIN_IMG_SIZE, le=_MAX_IMG_SIZE)]


def _from_json(field: FieldInfo | None, value: Any) -> Any:
    """A list of JSON in the type of its field, which strict validation asks of a value that a validator has seen.

    What is wrong inside of it stays, for the validation to report.
    """
    if field is None or not isinstance(value, list):
        return value
    annotation: Any = field.annotation
    with contextlib.suppress(ValidationError, TypeError, ValueError):
        return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    is_list = any(list in (part, get_origin(part)) for part in (annotation, *get_args(annotation)))
    return value if is_list else tuple(value)


class Architecture(Section):
    """What the shapes of a network follow from: a backbone and one head for each task."""

    name: str = Field(
        "resnet18_relu_linear",
        description='A pair of mtl_accel.models.MODELS, such as vgg16_relu_linear. Left out where "backbone" or "head" '
        'is given: "composed" of these two.',
    )
    backbone: str | None = Field(
        None,
        max_length=_MAX_NAME,
        description="Backbone of composed: a network of mtl_accel.models.BACKBONES, such as resnet18, or timm/ and a "
        "name of timm's, such as timm/resnet18.a1_in1k. That of timm_linear: timm's name alone. Null for other pairs.",
    )
    head: Head | None = Field(
        None,
        description='Head of each task of composed: a name, or a name with options, such as {"name": "mlp", "hidden": '
        "256}; null: linear. Other pairs have their own.",
    )
    drop_path_rate: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Stochastic depth: how often the last residual block is left out in training; blocks before it "
        "less often. Null: the network's own.",
    )
    img_size: tuple[_Side, _Side] | None = Field(
        None,
        description="Height and width of the pictures that a network of timm for one size is made for, such as a ViT; "
        "published weights are interpolated. Null: its own.",
    )
    pretrained_cfg: str | None = Field(
        None,
        max_length=_MAX_NAME,
        description="Tag of timm's published weights, such as a1_in1k, for a backbone of timm without one in its name.",
    )

    @model_validator(mode="before")
    @classmethod
    def _compose(cls, values: Any) -> Any:
        """Name the pair of a backbone and a head, which need no name of their own."""
        if not isinstance(values, dict):
            return values
        found = {key: _from_json(cls.model_fields.get(key), value) for key, value in values.items()}
        if "name" not in found and (found.get("backbone") is not None or found.get("head") is not None):
            found["name"] = COMPOSED
        if found.get("name") == COMPOSED and found.get("head") is None:
            found["head"] = "linear"
        return found

    @property
    def title(self) -> str:
        """The network in a few words, such as "resnet18_linear", or "resnet18 with mlp" of a composed one."""
        if self.name == COMPOSED and self.head is not None:
            return f"{self.backbone} with {self.head.name}"
        return f"{self.name} {self.backbone}" if self.backbone else self.name


class ModelConfig(Architecture):
    """The network: a backbone and one head a task."""

    weights: str | None = Field(
        None,
        description="Weights of the backbone: null (random), a torchvision name such as IMAGENET1K_V1 (of timm's "
        'networks "pretrained"), or the path of a local .pth or .safetensors file or of a finished run.',
    )
    gradient_checkpointing: Annotated[bool, SPEED] = Field(
        False,
        description="Keep only the inputs of the backbone's blocks for the backward pass, and compute each block again "
        "there: less memory, a longer step, and the same weights.",
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

    @property
    def architecture(self) -> Architecture:
        """The part that a finished model is built from; of a section that a plugin adds, with its own knobs."""
        kind = Architecture if type(self) is ModelConfig else type(self)
        return kind(**{knob: getattr(self, knob) for knob in type(self).model_fields if knob not in training_knobs()})


def training_knobs() -> set[str]:
    """The knobs of every network that a finished model is built without."""
    return set(ModelConfig.model_fields) - set(Architecture.model_fields)


class TransformsConfig(Section):
    """Image transforms in order."""

    train: tuple[Transform, ...] = Field(min_length=1, description="For training.")
    eval: tuple[FixedTransform, ...] = Field(min_length=1, description="For validation, test and prediction.")
