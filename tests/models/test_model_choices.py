"""What a config says of the network: pairs with a backbone of choice, and sizes of pictures that they refuse."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import real_runs
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from mtl_accel import UserError, train
from mtl_accel.config import read_config
from mtl_accel.config.sections.heads import MLPHead
from mtl_accel.config.sections.model import Architecture
from mtl_accel.config.sections.transforms import Normalize, Resize
from mtl_accel.core.tasks import Task
from mtl_accel.models import build_pair, pair_problems
from mtl_accel.models.base import Pair
from mtl_accel.runs import model_folder
from mtl_accel.runs.model_folder import ModelDescription

NAME, OUTPUTS = "test_vit.r160_in1k", {"kind": 3}
TIMM = pytest.importorskip("timm")


def timm_linear(weights: str | None = None) -> Pair:
    return build_pair(Architecture(name="timm_linear", backbone=NAME), OUTPUTS, weights)


def publish(path: Path) -> dict[str, torch.Tensor]:
    """Lay down what timm publishes of the backbone, its classifier in it."""
    torch.manual_seed(1)
    state = TIMM.create_model(NAME).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    return state


def assert_holds(pair: Pair, state: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(tensor, state[key]) for key, tensor in pair.backbone.state_dict().items())


@pytest.mark.parametrize(
    ("name", "backbone", "message"),
    [
        ("timm_linear", None, r"model.backbone: must name a backbone of timm .* such as 'resnet18.a1_in1k'"),
        ("timm_linear", "resnet-18", r"model.backbone: timm .* has no backbone 'resnet-18'; did you mean 'resnet18'"),
        ("timm_linear", "test_vit.r160_in2k", r"did you mean 'test_vit.r160_in1k'"),
        ("timm_linear", "hf-hub:owner/name", r"model.backbone: timm .* has no backbone 'hf-hub:owner/name'"),
        ("timm_linear", "local-dir:/tmp", r"model.backbone: timm .* has no backbone 'local-dir:/tmp'"),
        ("resnet18_linear", "resnet18", r"model.backbone: 'resnet18' has no meaning for resnet18_linear.* null"),
    ],
)
def test_a_wrong_backbone_is_told_with_the_fix(name: str, backbone: str | None, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_pair(Architecture(name=name, backbone=backbone), OUTPUTS, None)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UserError, match=r"timm cannot be imported .*pip install 'mtl_accel\[timm\]'"):
        timm_linear()


def test_a_local_file_of_timms_fills_the_backbone(tmp_path: Path) -> None:
    state = publish(tmp_path / "weights.safetensors")
    assert_holds(timm_linear(str(tmp_path / "weights.safetensors")), state)


def test_pretrained_takes_the_safetensors_of_the_hub_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "models--timm--test_vit.r160_in1k"
    state = publish(repository / "snapshots" / "c0" / "model.safetensors")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("c0")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert_holds(timm_linear("pretrained"), state)
    (repository / "snapshots" / "c0" / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    message = (
        r"model.weights: cannot fetch model.safetensors of timm/test_vit.r160_in1k from the Hugging Face Hub: .*null"
    )
    with pytest.raises(UserError, match=message):
        timm_linear("pretrained")


def test_another_name_of_weights_is_no_file_of_timms() -> None:
    with pytest.raises(UserError, match=r"model.weights: 'pretraind' is neither a name of timm \(pretrained\) nor"):
        timm_linear("pretraind")


def test_a_finished_model_names_its_backbone(tmp_path: Path) -> None:
    task = Task("kind", "multiclass", ("kind",), ("a", "b", "c"), "accuracy")
    transforms = Resize(name="Resize", size=(160, 160)), Normalize(name="Normalize")
    description = ModelDescription(
        Architecture(name="timm_linear", backbone=NAME), {"kind": task}, {}, transforms, "no", 8
    )
    pair = timm_linear()
    folder = description.write(tmp_path, pair.state_dict())
    read = model_folder.read_description(folder)
    assert json.loads((folder / "config.json").read_text())["model"] == {"name": "timm_linear", "backbone": NAME}
    assert dataclasses.replace(read, weights_sha256=None) == description
    assert_holds(model_folder.load_model(folder, read), pair.backbone.state_dict())
    plain = dataclasses.replace(description, model=Architecture(name="resnet18_linear"))
    assert plain.describe()["model"] == {"name": "resnet18_linear"}


@pytest.mark.parametrize(
    ("name", "backbone", "size", "message"),
    [
        ("vit_b_16_linear", None, (160, 160), "and vit_b_16_linear takes only [224, 224]"),
        ("timm_linear", NAME, (160, 192), f"and {NAME} takes only [160, 160]"),
        ("resnet18_linear", None, (31, 64), "and resnet18_linear needs at least [32, 32]"),
        ("vit_b_16_linear", None, (224, 224), None),
        ("timm_linear", NAME, (160, 160), None),
        ("timm_linear", "test_resnet", (32, 50), None),
    ],
)
def test_a_size_that_the_network_refuses_is_told(
    name: str, backbone: str | None, size: tuple[int, int], message: str | None
) -> None:
    found = pair_problems(Architecture(name=name, backbone=backbone), {"transforms.eval": size})
    assert len(found) == (message is not None)
    if message:
        assert found[0].startswith(f"transforms.eval: leaves pictures of {list(size)}, {message} (height, width); ")


def test_a_run_tells_a_wrong_size_before_it_reads_the_data(tmp_path: Path) -> None:
    changes = {"model": {"name": "vit_b_16_linear"}, "run_dir": str(tmp_path / "run")}
    path = real_runs.write_config(tmp_path / "config.json", tmp_path / "no_such_source", **changes)
    with pytest.raises(UserError) as error:
        train(read_config(path))
    assert [problem.partition(":")[0] for problem in error.value.problems] == ["transforms.train", "transforms.eval"]


def test_a_head_of_one_task_reads_the_features_of_pictures_of_the_size_that_the_network_is_made_for() -> None:
    model = Architecture(name="timm_linear", backbone="test_vit", img_size=(96, 96))
    pair = build_pair(model, OUTPUTS, None, {next(iter(OUTPUTS)): MLPHead(name="mlp")})
    logits = pair.eval()(torch.zeros(1, 3, 96, 96))
    assert {task: values.shape[1] for task, values in logits.items()} == OUTPUTS


def test_the_stages_of_timm_are_opened_into_their_blocks() -> None:
    pair = build_pair(Architecture(name="timm_linear", backbone="test_convnext"), OUTPUTS, None)
    blocks = [block for stage in pair.backbone.stages for block in stage.blocks]
    owner = {p: number for number, layer in enumerate(pair.layers()) for p in layer.parameters()}
    owners = [{owner[parameter] for parameter in block.parameters()} for block in blocks]
    assert len(blocks) > len(pair.backbone.stages)
    assert all(len(of_one) == 1 for of_one in owners)
    assert len(set.union(*owners)) == len(blocks)
