"""Any backbone with any head: each of BACKBONES and networks of timm, with each of HEADS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import init_empty_weights
from torch import nn

from mtl_accel.config.sections.heads import HEAD_NAMES
from mtl_accel.config.sections.model import Architecture, ModelConfig
from mtl_accel.config.sections.transforms import Normalize, Resize
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.models import BACKBONES, HEADS, build_model, build_pair
from mtl_accel.models.base import Pair, feature_shape
from mtl_accel.runs import model_folder
from mtl_accel.runs.model_folder import ModelDescription

POOLED = [name for name, head in HEADS.items() if not head.reads_map]
TIMM = ("timm/test_vit", "timm/test_resnet", "timm/test_convnext", "timm/test_efficientnet")
NUM_OUTPUTS = {"category": 3, "price": 1}


def composed(backbone: str, head: Any, num_outputs: dict[str, int] = NUM_OUTPUTS, **more: Any) -> Pair:
    heads = more.pop("heads", None)
    return build_pair(ModelConfig(backbone=backbone, head=head, **more), num_outputs, None, heads)


def with_every_head(backbone: str, names: list[str]) -> Pair:
    """A pair on the "meta" device, with one task for each head."""
    heads = {f"of_{name}": ModelConfig(head=name).head for name in names}
    with init_empty_weights():  # a RegNet computes with other tensors while it is built
        return composed(backbone, names[0], dict.fromkeys(heads, 3), heads=heads).to("meta").eval()


def test_every_head_of_a_config_is_registered() -> None:
    assert tuple(HEADS) == HEAD_NAMES


@pytest.mark.slow
@pytest.mark.parametrize("is_map", [False, True], ids=["pooled", "map"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_takes_every_head_that_reads_what_it_gives(backbone: str, is_map: bool) -> None:
    record = BACKBONES[backbone]
    names = list(HEADS) if is_map else POOLED
    if is_map and not record.gives_map:
        with pytest.raises(UserError, match=rf"'query' reads a feature map, and {backbone} gives pooled features only"):
            composed(backbone, "query")
        return
    pair = with_every_head(backbone, names)
    height, width = record.only_size or (record.min_size, record.min_size + 33)
    features = pair.backbone(torch.empty(2, 3, height, width, device="meta"))
    assert features.ndim == (4 if is_map else 2)
    logits = pair.heads(features)
    assert {task: tuple(values.shape) for task, values in logits.items()} == {f"of_{name}": (2, 3) for name in names}
    in_layers = [id(p) for layer in pair.layers() for p in layer.parameters()]
    assert sorted(in_layers) == sorted(id(p) for p in pair.backbone.parameters())
    assert len(pair.layers()) >= 4
    pair.load_state_dict(dict(pair.state_dict()))  # as from a safetensors file, with nothing beside the tensors


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("backbone", TIMM)
def test_networks_of_timm_take_every_head(backbone: str, head: str) -> None:
    pytest.importorskip("timm")
    pair = composed(backbone, head).eval()
    images = torch.randn(2, 3, 160, 160)
    with torch.no_grad():
        features = pair.backbone(images)
        logits = pair(images)
        apart = pair.heads(features)
    assert features.ndim == (4 if HEADS[head].reads_map else 2)
    assert {task: tuple(values.shape) for task, values in logits.items()} == {"category": (2, 3), "price": (2, 1)}
    assert all(torch.equal(logits[task], apart[task]) for task in logits)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "backbone", "head"),
    [
        ("resnet18_linear", "resnet18", "linear"),
        ("resnet18_mlp", "resnet18", "mlp"),
        ("resnet18_query", "resnet18", "query"),
        ("mobilenet_v2_linear", "mobilenet_v2", "linear"),
        ("mobilenet_v2_query", "mobilenet_v2", "query"),
        ("mobilenet_v3_large_linear", "mobilenet_v3_large", "linear"),
        ("efficientnet_v2_s_linear", "efficientnet_v2_s", "linear"),
        ("convnext_tiny_linear", "convnext_tiny", "linear"),
        ("swin_t_linear", "swin_t", "linear"),
        ("vit_b_16_linear", "vit_b_16", "linear"),
    ],
)
def test_a_composed_pair_has_the_blocks_and_the_tensors_of_the_pair_of_its_own_name(
    name: str, backbone: str, head: str
) -> None:
    with torch.device("meta"):
        own, pair = build_pair(Architecture(name=name), NUM_OUTPUTS, None), composed(backbone, head)
    names = {
        network: [sorted(key for key, p in network.named_parameters() if id(p) in ids) for ids in layers]
        for network in (own, pair)
        if (layers := [{id(p) for p in layer.parameters()} for layer in network.layers()])
    }
    assert names[own] == names[pair]
    assert [(k, v.shape) for k, v in own.state_dict().items()] == [(k, v.shape) for k, v in pair.state_dict().items()]


@pytest.mark.parametrize(("name", "head"), [("resnet18_linear", "linear"), ("resnet18_query", "query")])
def test_a_composed_pair_computes_what_the_pair_of_its_own_name_does(name: str, head: str) -> None:
    images = torch.randn(2, 3, 40, 64)
    logits = []
    for model in (Architecture(name=name), Architecture(backbone="resnet18", head=head)):
        torch.manual_seed(3)
        pair = build_pair(model, NUM_OUTPUTS, None)
        torch.manual_seed(4)
        logits.append(pair(images))
    assert all(torch.equal(logits[0][task], logits[1][task]) for task in NUM_OUTPUTS)


def test_heads_of_pooled_features_read_the_mean_of_a_map_that_another_task_reads() -> None:
    heads = {"price": ModelConfig(head="query").head}
    pair = composed("shufflenet_v2_x0_5", "linear", heads=heads).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features, logits = pair.backbone(images), pair(images)
        layer = next(m for m in pair.heads["category"].modules() if isinstance(m, nn.Linear))
        expected = features.mean(dim=(2, 3)) @ layer.weight.T + layer.bias
    assert features.shape == (2, 1024, 2, 2)
    torch.testing.assert_close(logits["category"], expected)


def test_a_task_may_have_another_head_than_its_pair() -> None:
    head = ModelConfig(head={"name": "mlp", "hidden": 7, "dropout": 0.5}).head
    pair = build_pair(Architecture(name="resnet18_linear"), NUM_OUTPUTS, None, {"price": head})
    assert isinstance(pair.heads["category"], nn.Linear)
    first, _, dropout, last = pair.heads["price"]
    assert (first.in_features, first.out_features, dropout.p, last.out_features) == (512, 7, 0.5, 1)
    on_map = build_pair(Architecture(name="resnet18_query"), NUM_OUTPUTS, None, {"price": head})
    assert on_map(torch.randn(2, 3, 32, 32))["price"].shape == (2, 1)
    query = ModelConfig(head="query").head
    message = r"tasks.price.head: 'query' reads a feature map, and this backbone gives pooled features; take one of"
    with pytest.raises(UserError, match=message):
        build_pair(Architecture(name="resnet18_linear"), NUM_OUTPUTS, None, {"price": query})


def test_measuring_the_features_leaves_the_backbone_and_the_random_numbers_as_they_are() -> None:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    backbone[2].eval()
    before, state = {k: v.clone() for k, v in backbone.state_dict().items()}, torch.get_rng_state()
    assert feature_shape(backbone, (8, 9)) == (4, 6, 7)
    assert all(torch.equal(before[key], value) for key, value in backbone.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert [module.training for module in backbone] == [True, True, False]


class ReadsValues(nn.Module):
    """A backbone that cannot run on the "meta" device."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3)) * float(self.scale)


def test_the_features_of_a_backbone_that_reads_values_are_measured_too() -> None:
    assert feature_shape(ReadsValues(), (8, 8)) == (3,)


def test_a_map_takes_the_weights_of_the_whole_network_and_of_a_run_without_the_layers_behind_it(tmp_path: Path) -> None:
    pooled, on_map = composed("mobilenet_v3_small", "mlp"), composed("mobilenet_v3_small", "query")
    for number, pair in enumerate((pooled, on_map)):
        torch.save(pair.state_dict(), tmp_path / f"{number}.pth")
        model = Architecture(backbone="mobilenet_v3_small", head="query")
        loaded = build_pair(model, NUM_OUTPUTS, str(tmp_path / f"{number}.pth")).backbone.state_dict()
        assert all(torch.equal(pair.backbone.state_dict()[key], tensor) for key, tensor in loaded.items())


MODELS = [
    {"backbone": "regnet_y_400mf", "head": {"name": "mlp", "hidden": 9}},
    {"backbone": "timm/test_vit", "head": "query", "img_size": (96, 96), "drop_path_rate": 0.2},
    {"backbone": "timm/test_convnext", "pretrained_cfg": "r160_in1k"},
    {"name": "timm_linear", "backbone": "test_vit", "img_size": (96, 96)},
    {"name": "resnet18_linear"},
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.get("backbone", "own"))
def test_a_finished_model_is_built_again_from_its_folder(model: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("timm")
    tasks = {
        "category": Task("category", "multiclass", ("category",), ("a", "b", "c"), "accuracy"),
        "size": Task("size", "ordinal", ("size",), tuple("SMLX"), "quadratic_kappa", link="cumulative"),
    }
    heads = {"size": ModelConfig(head={"name": "relu_linear", "dropout": 0.25}).head}
    config = ModelConfig(**model, weights=None, backbone_lr_scale=0.5)
    size = config.img_size or (160, 160)
    transforms = Resize(name="Resize", size=size), Normalize(name="Normalize")
    description = ModelDescription(config.architecture, tasks, {}, transforms, "no", 8, heads=heads)
    pair = build_model(config, tasks, None, heads).eval()
    folder = description.write(tmp_path, pair.state_dict())
    read = model_folder.read_description(folder)
    assert (read.model, read.heads) == (config.architecture, heads)
    again = model_folder.load_model(folder, read)
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(pair(images).values(), again(images).values(), strict=True))
