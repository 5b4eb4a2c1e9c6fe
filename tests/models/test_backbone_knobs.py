"""Knobs of a composed pair's backbone: stochastic depth, the size of its pictures, and what does not go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from mtl_accel.config.sections.model import Architecture, ModelConfig
from mtl_accel.core.errors import UserError
from mtl_accel.models import MODELS, build_pair, building_problems, pair_problems
from mtl_accel.models.base import Pair
from mtl_accel.models.heads import Heads, linear

NUM_OUTPUTS = {"category": 3, "price": 1}


def composed(backbone: str, **more: Any) -> Pair:
    return build_pair(Architecture(backbone=backbone, **more), NUM_OUTPUTS, None)


@pytest.mark.parametrize("name", ["convnext_tiny", "efficientnet_b0", "swin_t", "maxvit_t"])
def test_the_rate_of_stochastic_depth_is_that_of_the_last_block_and_the_others_keep_their_share(name: str) -> None:
    with torch.device("meta"):
        rates = {
            rate: [m.p for m in composed(name, drop_path_rate=rate).modules() if isinstance(m, StochasticDepth)]
            for rate in (None, 0.0, 0.4)
        }
    assert rates[0.4][-1] == pytest.approx(0.4) and set(rates[0.0]) == {0.0}
    ratio = rates[0.4][-1] / rates[None][-1]
    assert rates[0.4] == pytest.approx([ratio * rate for rate in rates[None]])


def test_the_rate_of_stochastic_depth_is_that_of_timm_and_of_pairs_of_their_own_name_too() -> None:
    timm = pytest.importorskip("timm")
    pair = composed("timm/test_vit", drop_path_rate=0.4)
    rates = [module.drop_prob for module in pair.modules() if isinstance(module, timm.layers.DropPath)]
    assert rates[-1] == pytest.approx(0.4) and rates == sorted(rates)
    with torch.device("meta"):
        own = build_pair(Architecture(name="swin_t_linear", drop_path_rate=0.4), NUM_OUTPUTS, None)
    assert max(module.p for module in own.modules() if isinstance(module, StochasticDepth)) == 0.4


@pytest.mark.parametrize(
    "model",
    [
        {"name": "resnet18_linear"},
        {"backbone": "resnet18"},
        {"backbone": "timm/vgg11"},
        {"name": "timm_linear", "backbone": "vgg11"},
    ],
)
def test_a_network_without_stochastic_depth_refuses_a_rate(model: dict[str, Any]) -> None:
    pytest.importorskip("timm")
    message = r"model\.drop_path_rate: 0\.1 needs stochastic depth, and \S+( of timm)? has none; set it to null"
    with torch.device("meta"), pytest.raises(UserError, match=message):
        build_pair(Architecture(**model, drop_path_rate=0.1), NUM_OUTPUTS, None)


WRONG = [
    ({"backbone": "resnet-18"}, r"model.backbone: there is no 'resnet-18'; did you mean 'resnet18'"),
    ({"backbone": "resnet26d"}, r"model.backbone: there is no 'resnet26d'; did you mean 'timm/resnet26d'"),
    ({"backbone": "qqqqqqqq"}, r"model.backbone: there is no 'qqqqqqqq'; known here: alexnet, .*and timm/ with a name"),
    ({"backbone": "timm/resnet_18"}, r"model.backbone: timm .* has no backbone 'resnet_18'; did you mean 'resnet18'"),
    ({"backbone": "timm/"}, r"model.backbone: must name a backbone of timm"),
    ({"backbone": "timm/hf-hub:a/b"}, r"model.backbone: timm .* has no backbone 'hf-hub:a/b'"),
    ({"head": "mlp"}, r"model.backbone: must name a backbone with model.name 'composed', such as resnet18 or timm/"),
    (
        {"name": "vgg16_linear", "head": "mlp"},
        r"model.head: 'mlp' has no meaning for vgg16_linear, .* choose both yourself: ",
    ),
    (
        {"name": "timm_linear", "backbone": "resnet18", "head": "mlp"},
        r"model.head: 'mlp' has no meaning for timm_linear",
    ),
    ({"backbone": "resnet18", "img_size": [64, 64]}, r"model.img_size: \(64, 64\) is for networks of timm.*set it to"),
    ({"name": "vgg16_linear", "pretrained_cfg": "in1k"}, r"model.pretrained_cfg: 'in1k' is for networks of timm"),
    ({"backbone": "timm/resnet18", "pretrained_cfg": "a1_in2k"}, r"no weights 'a1_in2k' of resnet18; did you mean"),
    (
        {"backbone": "timm/resnet18.a1_in1k", "pretrained_cfg": "a1_in1k"},
        r"'resnet18.a1_in1k' names its weights already",
    ),
    (
        {"backbone": "timm/test_resnet", "img_size": [64, 64]},
        r"model.img_size: test_resnet of timm takes pictures of any",
    ),
]


@pytest.mark.parametrize(("model", "message"), WRONG)
def test_what_does_not_go_together_is_told_with_the_fix(model: dict[str, Any], message: str) -> None:
    pytest.importorskip("timm")
    with pytest.raises(UserError, match=message):
        build_pair(Architecture(**model), NUM_OUTPUTS, None)


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ({"backbone": "alexnet"}, (62, 90), "alexnet needs at least [63, 63]"),
        ({"backbone": "vit_b_16"}, (64, 64), "vit_b_16 takes only [224, 224]"),
        ({"backbone": "timm/test_vit", "img_size": (96, 128)}, (160, 160), "timm/test_vit takes only [96, 128]"),
        ({"backbone": "timm/test_vit", "img_size": (96, 128)}, (96, 128), None),
        ({"backbone": "resnet18"}, (32, 32), None),
    ],
)
def test_the_size_of_the_pictures_follows_from_the_backbone(
    model: dict[str, Any], size: tuple[int, int], message: str | None
) -> None:
    pytest.importorskip("timm")
    found = pair_problems(Architecture(**model), {"transforms.eval": size})
    assert [message in problem for problem in found] == ([] if message is None else [True])


@pytest.mark.parametrize(
    ("model", "heads", "message"),
    [
        ({"name": "resnet18_linear", "drop_path_rate": 0.1}, {}, "model.drop_path_rate: 0.1 needs stochastic depth"),
        ({"name": "resnet18_linear"}, {"a": "query"}, "tasks.a.head: 'query' reads a feature map"),
        ({"name": "without_blocks", "gradient_checkpointing": True}, {}, "of WithoutBlocks has no blocks of several"),
        ({"name": "resnet18_linear", "gradient_checkpointing": True}, {"a": "mlp"}, None),
        ({"name": "resnet18_linear"}, {}, None),
    ],
)
def test_what_only_building_shows_is_told_before_anything_is_read(
    model: dict[str, Any], heads: dict[str, str], message: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODELS, "without_blocks", WithoutBlocks)
    config, found = ModelConfig(**model), {task: ModelConfig(head=head).head for task, head in heads.items()}
    assert [str(message) in problem for problem in building_problems(config, found)] == [True] * (message is not None)


class WithoutBlocks(Pair):
    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.heads = Heads({task: linear(4, n) for task, n in num_outputs.items()})


def test_a_network_for_one_size_is_interpolated_to_another_and_its_weights_with_it(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    published = timm.create_model("test_vit")
    torch.save(published.state_dict(), tmp_path / "published.pth")
    model = Architecture(backbone="timm/test_vit", head="query", img_size=(96, 128))
    pair = build_pair(model, NUM_OUTPUTS, str(tmp_path / "published.pth"))
    expected = timm.create_model("test_vit")
    expected.load_state_dict(published.state_dict())
    expected.set_input_size(img_size=(96, 128))
    assert torch.equal(pair.backbone.pos_embed, expected.pos_embed)
    assert pair.backbone(torch.randn(1, 3, 96, 128)).shape == (1, 64, 6, 8)
    torch.save(pair.state_dict(), tmp_path / "ours.pth")  # which has the new size already
    again = build_pair(model, NUM_OUTPUTS, str(tmp_path / "ours.pth"))
    assert torch.equal(again.backbone.pos_embed, pair.backbone.pos_embed)
