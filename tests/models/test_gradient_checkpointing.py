"""Blocks that are computed again in the backward pass: the same gradients to the bit, from less that is kept."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from small_run import Deep, Small
from torch import Tensor, nn

from mtl_accel.config.sections.model import Architecture
from mtl_accel.core.errors import UserError
from mtl_accel.models import build_pair
from mtl_accel.models.base import Pair
from mtl_accel.models.gradient_checkpointing import checkpoint_gradients

# One of each kind of network: what its blocks are, and what is drawn at random and counted in them.
NETWORKS = [
    ("shufflenet_v2_x0_5", 64),
    ("mobilenet_v3_small", 64),
    ("efficientnet_b0", 64),
    ("densenet121", 32),
    ("regnet_y_400mf", 64),
    ("squeezenet1_1", 64),
    ("vgg11_bn", 32),
    ("swin_t", 32),
    ("convnext_tiny", 32),
    ("timm/test_vit", 160),
    ("timm/test_resnet", 64),
    ("timm/test_convnext", 64),
    ("timm/test_nfnet", 64),
]


class Step(NamedTuple):
    """What one forward and backward pass leaves, and the bytes that were kept in between."""

    gradients: dict[str, Tensor]
    buffers: dict[str, Tensor]
    kept: int


def step_of(pair: Pair, images: Tensor, num_backward: int = 1) -> Step:
    own = {p.untyped_storage().data_ptr() for p in pair.parameters()}
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = torch.stack([logits.square().mean() for logits in pair(images).values()]).sum()
    for number in range(num_backward):
        loss.backward(retain_graph=number < num_backward - 1)
    gradients = {name: p.grad for name, p in pair.named_parameters() if p.grad is not None}
    return Step(gradients, {name: b.clone() for name, b in pair.named_buffers()}, sum(storages.values()))


def assert_same_step(pair: Pair, again: Pair, images: Tensor, num_backward: int = 1) -> None:
    again.load_state_dict(pair.state_dict())
    checkpoint_gradients(again)
    plain, recomputed = (step_of(p.train(), images, num_backward) for p in (pair, again))
    assert list(plain.gradients) == list(recomputed.gradients) == [name for name, _ in pair.named_parameters()]
    assert all(torch.equal(g, recomputed.gradients[name]) for name, g in plain.gradients.items())
    assert all(torch.equal(b, recomputed.buffers[name]) for name, b in plain.buffers.items())
    assert recomputed.kept < 0.75 * plain.kept


@pytest.mark.slow
@pytest.mark.parametrize(("backbone", "size"), NETWORKS)
def test_gradients_and_statistics_are_the_same_to_the_bit_and_less_is_kept(backbone: str, size: int) -> None:
    if backbone.startswith("timm/"):
        pytest.importorskip("timm")
    # The map of VGG has no layers of hundreds of megabytes behind it.
    model = Architecture(backbone=backbone, head="query" if backbone.startswith("vgg") else "mlp")
    torch.manual_seed(0)
    pair, again = (build_pair(model, {"category": 3, "price": 1}, None) for _ in range(2))
    assert_same_step(pair, again, torch.randn(3, 3, size, size))


def small(kind: type[Small] = Small) -> Small:
    return kind({"category": 3})


@pytest.mark.parametrize("num_backward", [1, 3])
def test_single_layers_are_cut_into_segments_with_dropout_and_batchnorm_in_them(
    num_backward: int,
) -> None:
    torch.manual_seed(0)
    assert_same_step(small(), small(), torch.randn(4, 3, 32, 32), num_backward)


def test_the_second_call_leaves_momentum_and_counters_as_they_were() -> None:
    pair = small()
    norms = [module for module in pair.modules() if isinstance(module, nn.BatchNorm2d)]
    norms[1].momentum = None
    checkpoint_gradients(pair)
    counters = [norm.num_batches_tracked for norm in norms]
    pair(torch.randn(4, 3, 32, 32))["category"].sum().backward()
    assert [norm.momentum for norm in norms] == [0.1, None]
    assert all(norm.num_batches_tracked is counter for norm, counter in zip(norms, counters, strict=True))
    assert [int(counter) for counter in counters] == [1, 1]


def test_names_of_tensors_stay_and_evaluation_keeps_nothing() -> None:
    pair, names = small(), list(small().state_dict())
    checkpoint_gradients(pair)
    assert list(pair.state_dict()) == names
    calls: list[Any] = []
    pair.backbone[0].register_forward_hook(lambda *_: calls.append(_))
    pair.eval()(torch.randn(2, 3, 32, 32))["category"].sum().backward()  # with a gradient, but not in training
    assert len(calls) == 1
    pair.train()(torch.randn(2, 3, 32, 32))["category"].sum().backward()
    assert len(calls) == 3


def test_a_backbone_without_blocks_is_refused() -> None:
    with pytest.raises(UserError, match=r"model.gradient_checkpointing: the backbone of Deep has no blocks of several"):
        checkpoint_gradients(small(Deep))
