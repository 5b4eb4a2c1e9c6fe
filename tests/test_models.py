"""Every member of MODELS, and the names that its heads may have."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from mtl_accel.errors import UserError
from mtl_accel.models import MODELS, build
from mtl_accel.models.heads import Heads, linear
from mtl_accel.models.pair import Pair

# A ModuleDict refuses the first as a key.
NUM_OUTPUTS = {"type": 3, "sleeve-length_2": 1}


def number_of_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(name: str) -> Iterator[Pair]:
    """Built once for all tests of a pair; in eval mode, so without dropout."""
    torch.manual_seed(0)
    yield build(name, NUM_OUTPUTS, None).eval()


@pytest.fixture(scope="module")
def torchvision_network(name: str) -> nn.Module:
    """Torchvision's own network of the pair's backbone, without memory for its parameters."""
    networks = torchvision.models.list_models(module=torchvision.models)
    with torch.device("meta"):
        return torchvision.models.get_model(max((n for n in networks if name.startswith(n)), key=len))


def test_a_file_holds_one_pair_and_has_its_name(name: str) -> None:
    assert MODELS[name].__module__ == f"mtl_accel.models.{name}"


@pytest.mark.parametrize("size", [(32, 32), (47, 65)])
def test_forward_gives_logits_of_every_task_at_any_size(model: Pair, size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = model(torch.randn(2, 3, *size))
    assert {task: tuple(of_task.shape) for task, of_task in logits.items()} == {
        "type": (2, 3),
        "sleeve-length_2": (2, 1),
    }
    assert list(logits) == list(NUM_OUTPUTS)


def test_gradients_reach_every_parameter(model: Pair) -> None:
    sum(logits.sum() for logits in model(torch.randn(2, 3, 64, 64)).values()).backward()
    unreached = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    model.zero_grad()
    assert unreached == []


def test_a_task_sends_no_gradient_to_the_head_of_another(model: Pair) -> None:
    features = model.backbone(torch.randn(1, 3, 32, 32)).detach()
    model.heads(features)["type"].sum().backward()
    reached = {task: any(p.grad is not None for p in head.parameters()) for task, head in model.heads.items()}
    model.zero_grad()
    assert reached == {"type": True, "sleeve-length_2": False}


def test_backbone_and_heads_partition_the_parameters(model: Pair) -> None:
    backbone = {id(p) for p in model.backbone.parameters()}
    heads = [{id(p) for p in model.heads[task].parameters()} for task in NUM_OUTPUTS]
    assert backbone.union(*heads) == {id(p) for p in model.parameters()}
    assert len(backbone) + sum(map(len, heads)) == len(list(model.parameters()))


def test_forward_is_the_heads_over_the_backbones_one_tensor(model: Pair) -> None:
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = model.backbone(images)
        assert isinstance(features, torch.Tensor) and features.ndim in (2, 4)
        apart, whole = model.heads(features), model(images)
    assert list(apart) == list(whole)
    assert all(torch.equal(apart[task], whole[task]) for task in whole)


def test_layers_partition_the_backbone_in_the_order_of_forward(model: Pair) -> None:
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
        model.backbone(torch.randn(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    assert called == sorted(called) and set(called) == set(range(len(layers)))


def test_parameter_count_is_torchvisions_plus_the_heads(name: str, model: Pair, torchvision_network: nn.Module) -> None:
    published = MODELS[name].pretrained.IMAGENET1K_V1.meta["num_params"]
    assert number_of_parameters(torchvision_network) == published
    replaced = [key for key, layer in model.backbone.named_modules() if isinstance(layer, nn.Identity)]
    classifiers = [torchvision_network.get_submodule(key) for key in replaced]
    assert number_of_parameters(model.backbone) == published - sum(map(number_of_parameters, classifiers))
    num_features = 1000
    for classifier in classifiers:
        num_features = next(layer for layer in classifier.modules() if isinstance(layer, nn.Linear)).in_features
    assert number_of_parameters(model.heads) == sum((num_features + 1) * n for n in NUM_OUTPUTS.values())


def test_backbone_keys_and_shapes_are_torchvisions(model: Pair, torchvision_network: nn.Module) -> None:
    theirs = {(key, tensor.shape) for key, tensor in torchvision_network.state_dict().items()}
    assert {(key, tensor.shape) for key, tensor in model.backbone.state_dict().items()} <= theirs


def test_state_dict_survives_safetensors(name: str, model: Pair, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(model.state_dict(), path)
    with torch.device("meta"):
        again = build(name, NUM_OUTPUTS, None)
    again.load_state_dict(load_file(path), assign=True)
    path.unlink()  # pytest keeps its folders, and VGG-16 takes 550 MB
    assert all(torch.equal(tensor, again.state_dict()[key]) for key, tensor in model.state_dict().items())


def test_the_callers_seed_decides_the_weights(name: str, model: Pair) -> None:
    torch.manual_seed(0)
    again = build(name, NUM_OUTPUTS, None).state_dict()
    assert all(torch.equal(tensor, again[key]) for key, tensor in model.state_dict().items())


def test_published_weights_carry_their_hash(name: str) -> None:
    # Without it a download could not be checked.
    for member in MODELS[name].pretrained:
        assert re.search(r"-[0-9a-f]{8,}\.pth$", member.url)


@pytest.mark.parametrize("name", ["resnet18_relu_linear", "vgg16_relu_linear"])
def test_the_sources_pairs_keep_the_imagenet_layer_below_relu_and_linear(name: str) -> None:
    with torch.device("meta"):
        model = build(name, {"category": 10, "attribute": 15}, None)
        assert model.backbone(torch.empty(2, 3, 224, 224)).shape == (2, 1000)
    for task, n in (("category", 10), ("attribute", 15)):
        assert repr(model.heads[task]) == repr(nn.Sequential(nn.ReLU(), nn.Linear(1000, n)))


def test_an_unknown_pair_is_named_with_its_neighbour() -> None:
    with pytest.raises(UserError, match=r"model.name: 'vgg16_linear' is none of .*; did you mean 'vgg16_relu_linear'"):
        build("vgg16_linear", NUM_OUTPUTS, None)


def assert_heads_work(tasks: list[str]) -> None:
    heads = Heads({task: linear(2, 1 + i) for i, task in enumerate(tasks)})
    features = torch.randn(3, 2)
    logits = heads(features)
    assert list(heads) == list(heads.keys()) == list(logits) == tasks
    for i, task in enumerate(tasks):
        assert task in heads
        assert logits[task].shape == (3, 1 + i)
        assert torch.equal(heads[task](features), logits[task])
    # By their path, as torch.func, export and offloading find parameters.
    for path, module in heads.named_modules():
        assert heads.get_submodule(path) is module
    copied = copy.deepcopy(heads)
    copied.load_state_dict(heads.state_dict())
    assert list(copied) == tasks


@settings(max_examples=30, deadline=None)
@given(st.lists(st.from_regex(r"[A-Za-z0-9_-]+", fullmatch=True), unique=True, min_size=1, max_size=4))
def test_any_task_name_names_a_head(tasks: list[str]) -> None:
    assert_heads_work(tasks)


def test_a_task_may_have_the_name_of_a_modules_attribute() -> None:
    assert_heads_work(dir(nn.ModuleDict()))


def test_heads_leave_as_a_dicts_entries_do() -> None:
    heads = Heads({"type": linear(2, 1), "keys": linear(2, 1)})
    first = heads["type"]
    assert heads.pop("type") is first
    del heads["keys"]
    assert len(heads) == 0 and "keys" not in heads and list(heads.parameters()) == []
