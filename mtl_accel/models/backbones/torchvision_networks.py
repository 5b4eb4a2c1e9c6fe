"""Every classification network of torchvision without its ImageNet layer."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import torchvision.models
from torch import nn
from torchvision.models import get_model, get_model_weights, list_models

from ..weights import load_backbone_weights
from .record import MIN_SIZE, Backbone

# The first two give the outputs of auxiliary classifiers too while they train; MNASNet refuses to load tensors without
# the version that a pickle holds beside them, and a safetensors file does not. timm has networks in their place.
_LEFT_OUT = ("googlenet", "inception_v3", "mnasnet")
_TRANSFORMERS_WITHOUT_MAP = "vit_"  # one class token is what their encoder is trained to give
_ONLY_224 = ("vit_", "maxvit_")
_MIN_SIZES = {"alexnet": 63}
_POOLING = ("avgpool", "classifier", "fc")  # names of the layers from which on a network is no feature map


def torchvision_backbones() -> dict[str, Backbone]:
    """The record of each network, by torchvision's name."""
    names = [name for name in list_models(module=torchvision.models) if not name.startswith(_LEFT_OUT)]
    return {
        name: Backbone(
            partial(build_network, name),
            "torchvision's",
            published=partial(get_model_weights, name),
            only_size=(224, 224) if name.startswith(_ONLY_224) else None,
            min_size=_MIN_SIZES.get(name, MIN_SIZE),
            gives_map=not name.startswith(_TRANSFORMERS_WITHOUT_MAP),
        )
        for name in names
    }


def build_network(name: str, weights: str | None, as_map: bool) -> nn.Module:
    """Build a network of torchvision that gives pooled features [B, F], or a feature map [B, F, h, w].

    Pooled features are what its last Linear read, without a Dropout that stands before it alone: the heads have their
    own.

    Raises:
        UserError: there are no such weights, or they cannot be fetched, cannot be read or do not fit.
    """
    network: nn.Module = get_model(name)
    _remove_classifier(network)
    unused: list[str] = []
    if as_map:
        network, unused = _up_to_feature_map(network)
    load_backbone_weights(network, weights, get_model_weights(name), unused)
    return network


def _remove_classifier(network: nn.Module) -> None:
    # The last one of all: torchvision's networks have an output for each of the 1000 classes of ImageNet. SqueezeNet's
    # is a convolution.
    linears = [path for path, layer in network.named_modules() if isinstance(layer, nn.Linear)]
    path = linears[-1] if linears else "classifier.1"
    top = path.partition(".")[0]
    head = network.get_submodule(top)
    is_dropout_and_linear = [type(layer) for layer in head.children()] == [nn.Dropout, nn.Linear]
    network.set_submodule(top if is_dropout_and_linear else path, nn.Identity())


def _sequential(layer: nn.Module) -> nn.Module:
    return nn.Sequential(*layer) if isinstance(layer, nn.ModuleList) else layer


def _up_to_feature_map(network: nn.Module) -> tuple[nn.Module, list[str]]:
    """The layers before the pooling, under torchvision's names, and the names of the others."""
    children = dict(network.named_children())
    first = min(index for index, name in enumerate(children) if name in _POOLING)
    kept, unused = list(children)[:first], list(children)[first:]
    # MaxViT calls its blocks one after another from a list.
    layers = {name: _sequential(children[name]) for name in kept}
    if isinstance(network, torchvision.models.DenseNet):
        layers["relu"] = nn.ReLU(inplace=True)  # a function there
    return nn.Sequential(OrderedDict(layers)), unused
