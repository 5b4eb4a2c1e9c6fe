"""A model folder from elsewhere: what no run writes is refused by its place, before memory is taken for it."""

import json
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_run import Small

from mtl_accel import models
from mtl_accel.config.sections.losses import BCE, CrossEntropy, Huber
from mtl_accel.config.sections.model import Architecture
from mtl_accel.config.sections.transforms import Normalize, Resize
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Scale, Task
from mtl_accel.runs import model_folder
from mtl_accel.runs.model_folder import ModelDescription

TIMM_RESNET = {"name": "composed", "backbone": "timm/resnet18"}
TASKS = {
    "category": Task("category", "multiclass", ("category",), ("a", "b", "c"), "accuracy"),
    "attribute": Task("attribute", "multilabel", ("big", "red"), ("big", "red"), "f1_macro", values={"x": 1}),
    "price": Task("price", "regression", ("price",), ("price",), "r2", scale=Scale((3.0,), (2.0,), True)),
}
LOSSES = {
    "category": CrossEntropy(name="cross_entropy", class_weights=(1.0, 2.0, 3.0)),
    "attribute": BCE(name="bce"),
    "price": Huber(name="huber"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setitem(models.MODELS, "small", Small)
    transforms = Resize(name="Resize", size=(32, 32)), Normalize(name="Normalize")
    thresholds = {"attribute": np.array([0.25, 0.5])}
    described = ModelDescription(Architecture(name="small"), TASKS, thresholds, transforms, "no", 8, LOSSES)
    outputs = {name: task.num_outputs for name, task in TASKS.items()}
    return described.write(tmp_path, models.build_pair(Architecture(name="small"), outputs, None).state_dict())


def change(folder: Path, path: str, value: Any) -> None:
    """Set a value of config.json by its dotted path; None removes it, as an earlier version did not write it."""
    file = folder / "config.json"
    whole = json.loads(file.read_text())
    *parents, last = path.split(".")
    part = whole
    for key in parents:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    file.write_text(json.dumps(whole))


def change_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")
    change(folder, "weights_sha256", None)


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        model_folder.load_model(folder, model_folder.read_description(folder))
    return "\n".join(caught.value.problems)


def test_a_written_folder_reads_back_the_same(folder):
    read = model_folder.read_description(folder)
    assert (read.tasks, read.losses, read.thresholds["attribute"].tolist()) == (TASKS, LOSSES, [0.25, 0.5])
    assert model_folder.load_model(folder, read).training is False


def test_a_folder_of_the_first_version_is_read(folder):
    for path in ("weights_sha256", "tasks.attribute.values", "tasks.price.scale"):
        change(folder, path, None)
    for task in TASKS:
        change(folder, f"tasks.{task}.loss", None)
    read = model_folder.read_description(folder)
    assert read.losses == {} and read.tasks["price"].scale is None and read.tasks["attribute"].values == {}
    model_folder.load_model(folder, read)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tasks.attribute.thresholds", [0.5], "tasks.attribute: thresholds has 1 numbers for 2 classes"),
        ("tasks.attribute.thresholds", [0.5, float("nan")], "tasks.attribute.thresholds.1: Input should be a finite"),
        ("tasks.attribute.thresholds", [0.5, 1.5], "thresholds.1: Input should be less than or equal to 1 (got 1.5)"),
        ("tasks.attribute.thresholds", None, "thresholds belong to a multilabel task, and each of these has them"),
        ("tasks.category.thresholds", [0.5, 0.5, 0.5], "tasks.category: thresholds belong to a multilabel task"),
        ("tasks.category.kind", "ranking", "tasks.category.kind: Input should be 'multiclass'"),
        ("tasks.category.classes", ["a", "b", "a"], "tasks.category: classes: a stand twice"),
        ("tasks.category.classes", [], "tasks.category.classes: Tuple should have at least 1 item"),
        ("tasks.category.classes", [1, 2, 3], "tasks.category.classes.0: Input should be a valid string (got 1)"),
        ("tasks.category.classes", "abc", "tasks.category.classes: Input should be a valid array"),
        ("tasks.category.primary_metric", "f1_macro_of_mine", "tasks.category: primary_metric is none of accuracy"),
        ("tasks.category.loss", {"name": "bce"}, "tasks.category: loss 'bce' is none of a multiclass task"),
        ("tasks.category.loss.class_weights", [1.0, 2.0], "loss.class_weights has 2 numbers for 3 classes"),
        ("tasks.category.weight", -1.0, "tasks.category.weight: Input should be greater than or equal to 0"),
        ("tasks.price.scale.std", [0.0], "tasks.price.scale.std.0: Input should be greater than 0"),
        ("tasks.price.scale.mean", [0.0, 1.0], "tasks.price: scale.mean has 2 numbers for 1 classes"),
        ("tasks.price.scale.log1p", "yes", "tasks.price.scale.log1p: Input should be a valid boolean"),
        ("tasks.category.scale", {"mean": [0.0] * 3, "std": [1.0] * 3, "log1p": False}, "scale belongs to a regr"),
        ("tasks", {}, "tasks: Dictionary should have at least 1 item"),
        ("tasks", [], "tasks: Input should be an object"),
        ("tasks", None, "tasks: Field required"),
        ("model", "small", "model: Input should be an object"),
        ("model.name", "smal", "config.json: model.name: 'smal' is none of "),
        ("model.code", "run.py", "model.code: Extra inputs are not permitted"),
        ("model.backbone", "resnet18", "model.backbone: 'resnet18' has no meaning for small"),
        ("model.head", {"name": "mlp", "hidden": 10**9}, "model.head.mlp.hidden: Input should be less than or equal"),
        ("model.img_size", [10**6, 64], "model.img_size.0: Input should be less than or equal to 1024"),
        ("model.drop_path_rate", 1.0, "model.drop_path_rate: Input should be less than 1"),
        ("model.pretrained_cfg", {"url": "http://host/x"}, "model.pretrained_cfg: Input should be a valid string"),
        ("model.weights", "pretrained", "model.weights: Extra inputs are not permitted"),
        ("model", {"name": "composed"}, "model.backbone: must name a backbone"),
        ("model", {"name": "composed", "backbone": "timm/hf-hub:a/b"}, "has no backbone 'hf-hub:a/b'"),
        ("model", {"name": "composed", "backbone": "timm/local-dir:/"}, "has no backbone 'local-dir:/'"),
        ("model", {**TIMM_RESNET, "pretrained_cfg": "http://host/x"}, "has no weights 'http://host/x' of resnet18"),
        ("tasks.category.head", {"name": "evil"}, "tasks.category.head: Input tag 'evil'"),
        ("transforms", [], "transforms: Tuple should have at least 1 item"),
        ("transforms", [{"name": "Normalize"}], "transforms: nothing says"),
        ("transforms", [{"name": "Compose"}], "transforms.0: Input tag 'Compose'"),
        ("precision", "int4", "precision: Input should be 'no', 'fp16' or 'bf16'"),
        ("batch_size", 10**9, "batch_size: Input should be less than or equal to 1000000"),
        ("batch_size", 8.5, "batch_size: Input should be a valid integer"),
        ("weights_sha256", "0" * 64, "its SHA-256 is not the weights_sha256 of config.json: it is damaged, or another"),
    ],
)
def test_what_no_run_writes_is_refused_by_its_place(folder, path, value, message):
    change(folder, path, value)
    found = refused(folder)
    assert message in found and str(folder) in found


@pytest.mark.parametrize("name", ["a.b", "", "a b"])
def test_a_name_that_no_task_can_have_is_refused(folder, name):
    described = json.loads((folder / "config.json").read_text())
    change(folder, "tasks", {**described["tasks"], name: described["tasks"]["category"]})
    assert f"tasks.{name}" in refused(folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"a": NaN}', "[" * 100_000, '"\\ud800"', "\0", "9" * 5000])
def test_a_file_that_is_no_description_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    assert "config.json" in refused(folder)


def test_heads_of_any_number_of_classes_are_refused_before_memory_is_taken(folder):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    change(folder, "tasks.category.classes", [f"class {index}" for index in range(200_000)])
    change(folder, "tasks.category.loss", None)
    change(folder, "model.name", "resnet18_linear")  # whose head would take 400 MB
    change(folder, "transforms", [{"name": "Resize", "size": [64, 64]}, {"name": "Normalize"}])
    assert "does not fit resnet18_linear with the tasks in config.json" in refused(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250_000  # KB


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda t: t.update({"heads.task_price.bias": t["heads.task_price.bias"].int()}),
            "bias is I32 and must be",
        ),
        (lambda t: t.update({"heads.task_price.bias": torch.zeros(2)}), "task_price.bias is [2] and must be [1]"),
        (lambda t: t.pop("heads.task_price.bias"), "heads.task_price.bias is missing"),
        (lambda t: t.update({"more": torch.zeros(1)}), "more is none of its tensors"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(folder, edit, message):
    change_weights(folder, edit)
    found = refused(folder)
    assert message in found and "Take both files from the same run" in found


def test_weights_that_were_rounded_to_half_are_loaded(folder):
    change_weights(folder, lambda t: t.update({"heads.task_price.weight": t["heads.task_price.weight"].half()}))
    model_folder.load_model(folder, model_folder.read_description(folder))


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: c[:9], lambda c: b"", lambda c: b"\xff" * 8 + c[8:]])
def test_a_file_that_is_cut_or_no_safetensors_is_refused(folder, damage):
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    change(folder, "weights_sha256", None)
    assert "not a whole safetensors file" in refused(folder)


def test_one_changed_byte_of_the_weights_is_noticed(folder):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "its SHA-256 is not the weights_sha256 of config.json" in refused(folder)


class Reading(Small):
    """A pair whose construction reads a value of a tensor, which the "meta" device has not."""

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__(num_outputs, weights)
        self.rate = torch.linspace(0, 1, 3)[1].item()


def test_a_pair_that_needs_values_while_it_is_built_is_loaded_and_compared_as_well(folder, monkeypatch):
    monkeypatch.setitem(models.MODELS, "small", Reading)
    assert model_folder.load_model(folder, model_folder.read_description(folder)).rate == 0.5
    change_weights(folder, lambda t: t.pop("heads.task_price.bias"))
    assert "heads.task_price.bias is missing" in refused(folder)
