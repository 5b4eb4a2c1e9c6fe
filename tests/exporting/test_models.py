"""Pairs of every kind, exported: one file that says what the model says, whatever the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from mtl_accel import models
from mtl_accel.config.sections.model import Architecture
from mtl_accel.config.sections.transforms import CenterCrop, Normalize, Resize, TenCrop
from mtl_accel.core.tasks import Task
from mtl_accel.exporting import check, onnx_file, torch_file
from mtl_accel.exporting.graph import Graph
from mtl_accel.models.base import Pair
from mtl_accel.models.heads import SharedThresholds
from mtl_accel.runs.model_folder import ModelDescription

pytestmark = pytest.mark.slow

# An ONNX export takes ten seconds and more of a network with many layers, so two pairs stand for all: without and with
# BatchNorm, and the second with heads that attend.
WITH_ONNX = ("vgg16_relu_linear", "resnet18_query")
# An export of torch.export takes a few seconds, and the deep networks 6 to 18 each: these stand for them.
WITH_TORCH = (
    "resnet18_relu_linear",
    "vgg16_relu_linear",
    "resnet18_linear",
    "mobilenet_v2_linear",
    "resnet18_mlp",
    "resnet18_query",
    "composed",
)
COMPOSED = Architecture(backbone="timm/test_convnext", head="query")
SIZE = (40, 56)
IMAGES = check.noise((3, *SIZE))[:8]
FILES = {"torch": (torch_file.to_program, torch_file.Program), "onnx": (onnx_file.to_onnx, onnx_file.Session)}
CASES = [("torch", pair) for pair in WITH_TORCH] + [("onnx", pair) for pair in WITH_ONNX]


def finished_model(pair: str) -> tuple[Pair, ModelDescription]:
    """A finished model with random weights that tells pictures apart; its pictures are not square."""
    tasks = {
        "category": Task("category", "multiclass", ("category",), ("a", "b", "c"), "accuracy"),
        "attribute": Task("attribute", "multilabel", ("d", "e"), ("d", "e"), "f1_macro"),
        "price": Task("price", "regression", ("price",), ("price",), "mae"),
        "size": Task("size", "ordinal", ("size",), tuple("SMLX"), "quadratic_kappa", link="cumulative"),
        "grade": Task("grade", "ordinal", ("grade",), tuple("012"), "quadratic_kappa", link="conditional"),
    }
    cached = (Resize(name="Resize", size=(48, 64)), CenterCrop(name="CenterCrop", size=SIZE))
    thresholds = {"attribute": np.array([0.25, 0.75])}
    network = COMPOSED if pair == "composed" else Architecture(name=pair)
    description = ModelDescription(network, tasks, thresholds, (*cached, Normalize(name="Normalize")), "bf16", 8)
    torch.manual_seed(0)
    model = models.build_model(network, tasks, None).eval()
    images = description.pipeline.batched(IMAGES)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the statistics of the next batch as they are; else deep networks fade it out
        if isinstance(module, SharedThresholds):
            module.bias.data[0] = 0.0  # the score's own bias is centred below
    with torch.no_grad():
        model.train()(images)
        for name, logits in model.eval()(images).items():
            *_, weight, bias = model.heads[name].parameters()
            logits = logits[:, : len(bias)]  # those that differ from picture to picture
            weight /= logits.std(dim=0)[:, None]
            bias.sub_(logits.mean(dim=0)).div_(logits.std(dim=0))
    return model, description


@pytest.mark.parametrize(("form", "pair"), CASES)
def test_a_pair_says_the_same_from_its_file(form, pair):
    if pair == "composed":
        pytest.importorskip("timm")
    model, description = finished_model(pair)
    write, read = FILES[form]
    content = write(Graph(model, description), description)
    expected = check.expected_outputs(model, description, IMAGES)
    spread = {name: float(np.ptp(values, axis=0).max()) for name, values in expected.items()}
    assert min(spread.values()) > 1000 * check.TOLERANCE, "a model that says the same of every picture proves nothing"
    assert check.max_difference(read(content), IMAGES, expected, description.tasks) < check.TOLERANCE


@pytest.mark.parametrize("form", FILES)
@pytest.mark.parametrize("first", [40, (40, 56)])
def test_crops_are_cut_and_averaged_in_the_file(form: str, first) -> None:
    model, description = finished_model("resnet18_relu_linear")
    crops = Resize(name="Resize", size=first), TenCrop(name="TenCrop", size=(32, 36)), Normalize(name="Normalize")
    description = replace(description, transforms=crops)
    images = check.noise(description.pipeline.loaded_shape)[:4]
    write, read = FILES[form]
    content = write(Graph(model, description), description)
    expected = check.expected_outputs(model, description, images)
    assert check.max_difference(read(content), images, expected, description.tasks) < check.TOLERANCE
