"""What was loaded into a backbone, and what was left, in one line."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import ResNet18_Weights

from mtl_accel.models.weights import collect_loaded_weights, load_backbone_weights


def backbone(pooled: bool = False) -> nn.Module:
    """As small as a torchvision network can be; `pooled`: without the ImageNet layer."""
    layers = {"conv": nn.Conv2d(3, 2, 1), "bn": nn.BatchNorm2d(2), "fc": nn.Identity() if pooled else nn.Linear(2, 5)}
    return nn.Sequential(OrderedDict(layers))


def test_one_line_says_what_was_loaded_and_what_was_left(tmp_path: Path) -> None:
    state = backbone().state_dict()
    more = {f"behind.{number}": torch.ones(1) for number in range(8)}
    torch.save({**state, **more}, tmp_path / "weights.pth")
    model = {f"backbone.{key}": tensor for key, tensor in state.items()} | {"heads.task_a.weight": torch.ones(2)}
    save_file(model, tmp_path / "model.safetensors")
    with collect_loaded_weights() as loaded:
        load_backbone_weights(backbone(pooled=True), str(tmp_path / "weights.pth"), ResNet18_Weights, ["behind"])
        load_backbone_weights(backbone(), str(tmp_path / "model.safetensors"), ResNet18_Weights)
        load_backbone_weights(backbone(), None, ResNet18_Weights)
    assert [str(line) for line in loaded] == [
        f"weights: {tmp_path}/weights.pth: 7 of 17 tensors of ResNet18 loaded; left: fc.weight, fc.bias (the ImageNet "
        "layer); behind.0, behind.1, behind.2, behind.3, behind.4, behind.5 and 2 more (behind the feature map)",
        f"weights: {tmp_path}/model.safetensors: 9 of 10 tensors of ResNet18 loaded; left: heads.task_a.weight (heads)",
    ]
    load_backbone_weights(backbone(), str(tmp_path / "model.safetensors"), ResNet18_Weights)
    assert len(loaded) == 2  # what is loaded outside of the block is not collected
