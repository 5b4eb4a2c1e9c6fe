"""Every member of MODELS."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.ops import StochasticDepth

from mtl_accel.config.sections.model import Architecture
from mtl_accel.core.errors import UserError
from mtl_accel.models import MODELS, build_pair
from mtl_accel.models.base import Pair

pytestmark = pytest.mark.slow

# A ModuleDict refuses the first as a key.
NUM_OUTPUTS = {"type": 3, "sleeve-length_2": 1}
BACKBONES = {"timm_linear": "test_vit", "composed": "shufflenet_v2_x0_5"}  # of pairs that leave the choice


def number_of_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def pair_of(name: str, num_outputs: dict[str, int] = NUM_OUTPUTS) -> Pair:
    return build_pair(Architecture(name=name, backbone=BACKBONES.get(name)), num_outputs, None)


@pytest.fixture(scope="module")
def model(name: str) -> Iterator[Pair]:
    """Built once for all tests of a pair; in eval mode, so without dropout."""
    if name == "timm_linear":
        pytest.importorskip("timm")
    torch.manual_seed(0)
    yield pair_of(name).eval()


@pytest.fixture(scope="module")
def images(name: str, model: Pair) -> torch.Tensor:
    """Small pictures, or one of the only size that the pair takes."""
    only = model.only_size(BACKBONES.get(name))
    return torch.randn(1, 3, *only) if only else torch.randn(2, 3, 64, 64)


@pytest.fixture(scope="module")
def features(model: Pair, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.backbone(images)


@pytest.fixture(scope="module")
def published_network(name: str, model: Pair) -> nn.Module:
    """The network of the pair's backbone with its ImageNet layer, as its library makes it."""
    networks = torchvision.models.list_models(module=torchvision.models)
    if name == "timm_linear":  # a tiny one, and timm 1.0.20 cannot build it without memory
        return pytest.importorskip("timm").create_model(BACKBONES[name])
    with torch.device("meta"):
        network = BACKBONES.get(name) or max((n for n in networks if name.startswith(n)), key=len)
        return torchvision.models.get_model(network)


def test_a_file_holds_one_pair_and_has_its_name(name: str) -> None:
    assert MODELS[name].__module__ == f"mtl_accel.models.{name}"


@pytest.mark.parametrize("size", [(32, 32), (47, 65)])
def test_forward_gives_logits_of_every_task_at_any_size(name: str, model: Pair, size: tuple[int, int]) -> None:
    if only := model.only_size(BACKBONES.get(name)):
        if size == (32, 32):
            pytest.skip(f"takes only {only}")
        size = only
    with torch.no_grad():
        logits = model(torch.randn(2, 3, *size))
    assert {task: tuple(of_task.shape) for task, of_task in logits.items()} == {
        "type": (2, 3),
        "sleeve-length_2": (2, 1),
    }
    assert list(logits) == list(NUM_OUTPUTS)


@pytest.mark.parametrize("name", ["resnet18_relu_linear", "resnet18_linear", "resnet18_mlp", "resnet18_query"])
def test_one_task_alone_has_a_pair_too(name: str) -> None:
    with torch.device("meta"):
        logits = build_pair(Architecture(name=name), {"only": 5}, None)(torch.empty(2, 3, 64, 64))
    assert {task: of_task.shape for task, of_task in logits.items()} == {"only": (2, 5)}


def test_gradients_reach_every_parameter_in_training(model: Pair, images: torch.Tensor) -> None:
    buffers = {key: buffer.clone() for key, buffer in model.named_buffers()}
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout | StochasticDepth):
            module.eval()  # a block that is left out gets none
    sum(logits.square().sum() for logits in model(images).values()).backward()
    model.eval()
    for key, buffer in model.named_buffers():
        buffer.copy_(buffers[key])
    unreached = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    model.zero_grad()
    assert unreached == []


def test_a_task_sends_no_gradient_to_the_head_of_another(model: Pair, features: torch.Tensor) -> None:
    model.heads(features)["type"].sum().backward()
    reached = {task: any(p.grad is not None for p in head.parameters()) for task, head in model.heads.items()}
    model.zero_grad()
    assert reached == {"type": True, "sleeve-length_2": False}


def test_backbone_and_heads_partition_the_parameters(model: Pair) -> None:
    backbone = {id(p) for p in model.backbone.parameters()}
    heads = [{id(p) for p in model.heads[task].parameters()} for task in NUM_OUTPUTS]
    assert backbone.union(*heads) == {id(p) for p in model.parameters()}
    assert len(backbone) + sum(map(len, heads)) == len(list(model.parameters()))


def test_forward_is_the_heads_over_the_backbones_one_tensor(
    model: Pair, images: torch.Tensor, features: torch.Tensor
) -> None:
    assert isinstance(features, torch.Tensor) and features.ndim in (2, 4)
    with torch.no_grad():
        apart, whole = model.heads(features), model(images)
    assert list(apart) == list(whole)
    assert all(torch.equal(apart[task], whole[task]) for task in whole)


def test_layers_partition_the_backbone_in_the_order_of_forward(model: Pair, images: torch.Tensor) -> None:
    layers = model.layers()
    parameters = [[id(p) for p in layer.parameters()] for layer in layers]
    assert all(parameters)
    assert sorted(itertools.chain(*parameters)) == sorted(id(p) for p in model.backbone.parameters())
    owner = {id(module): i for i, layer in enumerate(layers) for module in layer.modules()}
    called: list[int] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _: called.append(owner[id(module)]))
        for module in model.backbone.modules()
        if id(module) in owner
    ]
    with torch.no_grad():
        model.backbone(images[:1])
    for hook in hooks:
        hook.remove()
    assert called == sorted(called) and set(called) == set(range(len(layers)))


def number_in_head(head: str, num_features: int, n: int) -> int:
    """Parameters of a head of n outputs, counted from its description."""
    if head == "mlp":
        return (num_features + 1) * 512 + 513 * n
    if head == "query":
        # Places; query, key, value and output of the attention; feed-forward; two norms; and n queries with weights.
        return (num_features + 1) * 256 + 4 * 257 * 256 + 257 * 512 + 513 * 256 + 4 * 256 + n * (256 + 257)
    return (num_features + 1) * n


def test_parameter_count_is_the_published_one_without_its_classifier_plus_the_heads(
    name: str, model: Pair, published_network: nn.Module
) -> None:
    published = number_of_parameters(published_network)
    if name not in BACKBONES:
        assert published == MODELS[name].pretrained.IMAGENET1K_V1.meta["num_params"]
    classifier = [layer for layer in published_network.modules() if isinstance(layer, nn.Linear)][-1]
    num_features = classifier.in_features
    if name.endswith("relu_linear"):
        num_features = classifier.out_features
    else:
        published -= number_of_parameters(classifier)
    assert number_of_parameters(model.backbone) == published
    heads = [number_in_head(name.rpartition("_")[2], num_features, n) for n in NUM_OUTPUTS.values()]
    assert number_of_parameters(model.heads) == sum(heads)


def test_backbone_keys_and_shapes_are_the_published_ones(model: Pair, published_network: nn.Module) -> None:
    theirs = {(key, tensor.shape) for key, tensor in published_network.state_dict().items()}
    assert {(key, tensor.shape) for key, tensor in model.backbone.state_dict().items()} <= theirs


def test_state_dict_survives_safetensors(model: Pair, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(model.state_dict(), path)
    again = load_file(path)
    path.unlink()  # pytest keeps its folders, and VGG-16 takes 550 MB
    assert all(torch.equal(tensor, again[key]) for key, tensor in model.state_dict().items())
    assert not model.load_state_dict(again).unexpected_keys


def test_the_callers_seed_decides_the_weights(name: str, model: Pair) -> None:
    if name == "vgg16_linear":
        pytest.skip("vgg16_relu_linear stands for it: the first weights of VGG-16 take seconds")
    torch.manual_seed(0)
    again = pair_of(name).state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in model.state_dict().items())


def test_published_weights_carry_their_hash(name: str) -> None:
    # Without it a download could not be checked.
    for member in getattr(MODELS[name], "pretrained", ()):
        assert re.search(r"-[0-9a-f]{8,}\.pth$", member.url)


@pytest.mark.parametrize("name", ["resnet18_relu_linear", "vgg16_relu_linear"])
def test_the_sources_pairs_keep_the_imagenet_layer_below_relu_and_linear(name: str) -> None:
    with torch.device("meta"):
        model = build_pair(Architecture(name=name), {"category": 10, "attribute": 15}, None)
        assert model.backbone(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    for task, n in (("category", 10), ("attribute", 15)):
        assert repr(model.heads[task]) == repr(nn.Sequential(nn.ReLU(), nn.Linear(1000, n)))


def test_an_unknown_pair_is_named_with_its_neighbour() -> None:
    with pytest.raises(UserError, match=r"model.name: 'vgg_linear' is none of .*; did you mean 'vgg16_linear'"):
        build_pair(Architecture(name="vgg_linear"), NUM_OUTPUTS, None)
