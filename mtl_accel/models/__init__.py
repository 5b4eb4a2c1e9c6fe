"""Backbone-head pairs. A new pair is one file here and one line in MODELS; the tests then walk it too."""

from __future__ import annotations

import difflib

from ..errors import UserError
from .mobilenet_v2_linear import MobileNetV2Linear
from .pair import Pair
from .resnet18_linear import ResNet18Linear
from .resnet18_relu_linear import ResNet18ReluLinear
from .vgg16_relu_linear import VGG16ReluLinear

MODELS: dict[str, type[Pair]] = {
    "resnet18_relu_linear": ResNet18ReluLinear,
    "vgg16_relu_linear": VGG16ReluLinear,
    "resnet18_linear": ResNet18Linear,
    "mobilenet_v2_linear": MobileNetV2Linear,
}


def build(name: str, num_outputs: dict[str, int], weights: str | None) -> Pair:
    """The pair `name` with one head for each task of `num_outputs`; seed torch before for its random weights.

    Raises:
        UserError: no such pair, or weights that cannot be had or do not fit.
    """
    if name not in MODELS:
        close = difflib.get_close_matches(name, MODELS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise UserError(f"model.name: {name!r} is none of {', '.join(MODELS)}{hint}")
    return MODELS[name](num_outputs, weights)
