"""Validation, a finished model and its export make the same logits of pictures of any shape."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from loading_cases import pixels_of, split_of
from pydantic import TypeAdapter

from mtl_accel import models
from mtl_accel.config.sections.model import Architecture
from mtl_accel.config.sections.transforms import FixedTransform
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.data.loading.loader import EvaluationLoader, MicroBatches
from mtl_accel.data.loading.pixels import DecodedPixels
from mtl_accel.data.transforms.pipeline import ImagePipeline
from mtl_accel.exporting import check
from mtl_accel.exporting.graph import Graph, example_images
from mtl_accel.inference.logits import predict_logits
from mtl_accel.inference.predictor import Predictor
from mtl_accel.runs import model_folder
from mtl_accel.runs.model_folder import ModelDescription

TASKS = {
    "category": Task("category", "multiclass", ("category",), ("a", "b", "c"), "accuracy"),
    "price": Task("price", "regression", ("price",), ("price",), "mae"),
}
KEEP, CROP = {"name": "Resize", "size": 40}, {"name": "CenterCrop", "size": [32, 36]}
LETTERBOX = [{"name": "Resize", "size": None, "max_size": 40}, {"name": "PadToSquare", "fill": [124, 116, 104]}]
SHAPES = {
    "the aspect ratio is kept": [KEEP, CROP],
    "letterbox": LETTERBOX,
    "a square of mirror images": [{"name": "PadToSquare", "padding_mode": "symmetric"}, KEEP],
    "five crops": [{"name": "Resize", "size": [40, 44]}, {**CROP, "name": "FiveCrop"}],
    "ten crops of pictures of several sizes": [KEEP, {**CROP, "name": "TenCrop"}],
}
DEVICE = torch.device("cpu")


def made(*transforms: dict) -> tuple[FixedTransform, ...]:
    return TypeAdapter(tuple[FixedTransform, ...]).validate_python([*transforms, {"name": "Normalize"}])


def description_of(*transforms: dict) -> ModelDescription:
    return ModelDescription(Architecture(name="resnet18_relu_linear"), TASKS, {}, made(*transforms), "no", 4)


@pytest.fixture(scope="module")
def model() -> models.Pair:
    torch.manual_seed(0)
    return models.build_pair(Architecture(name="resnet18_relu_linear"), {"category": 3, "price": 1}, None).eval()


@pytest.mark.parametrize("shape", SHAPES)
def test_validation_prediction_and_export_agree(shape: str, model, tmp_path: Path) -> None:
    description, split = description_of(*SHAPES[shape]), split_of(7)
    pipeline = description.pipeline
    pixels = pixels_of(split, tmp_path, transforms=pipeline.cached, name="validation")
    loader = EvaluationLoader(MicroBatches(pixels, {}, pipeline.per_sample), 4, 0, 1, 0, DEVICE)
    ids, logits = predict_logits(model, loader, pipeline, TASKS, DEVICE, "no").gather()
    assert ids.tolist() == list(range(7))

    run_dir = tmp_path / "run"
    description.write(run_dir, model.state_dict())
    assert model_folder.read_description(run_dir / "model").transforms == description.transforms
    predictor = Predictor(model, model_folder.read_description(run_dir / "model"), batch_size=4)
    assert torch.equal(predictor.logits(split), logits)

    images = check.loaded(DecodedPixels(split, pipeline.cached, "validation").read(np.arange(7)), description)
    assert images.shape[1:] == pipeline.loaded_shape == example_images(description).shape[1:]
    expected = check.expected_outputs(model, description, images)
    np.testing.assert_allclose(expected["price"], logits[:, 3:], atol=1e-5)
    graph = Graph(model, description)

    def outputs(batch: torch.Tensor) -> dict[str, np.ndarray]:
        with torch.no_grad():
            return {name: values.numpy() for name, values in graph(batch).items()}

    assert check.max_difference(outputs, images, expected, TASKS) < 1e-5


def test_logits_of_crops_are_their_mean_and_those_of_one_picture_do_not_depend_on_the_batch(model) -> None:
    pipeline = description_of(KEEP, {**CROP, "name": "TenCrop"}).pipeline
    split = split_of(3)
    (image,) = DecodedPixels(split, pipeline.cached, "x").read(np.array([1]))
    assert pipeline.per_sample is not None
    crops = pipeline.per_sample([image], np.array([1]), 0)[0]
    with torch.no_grad():
        alone = torch.cat([torch.cat([*model(pipeline.batched(crop[None])).values()], dim=1) for crop in crops])
    found = Predictor(model, description_of(KEEP, {**CROP, "name": "TenCrop"}), batch_size=4).logits(split)[1]
    torch.testing.assert_close(found, alone.mean(0), atol=1e-5, rtol=1e-5)


def test_a_model_of_pictures_of_one_size_refuses_others_and_names_them(model) -> None:
    required = {"name": "RequireSize", "size": [9, 11]}
    predictor = Predictor(model, description_of(required, {"name": "Pad", "padding": 12}), batch_size=4)
    with pytest.raises(UserError) as caught:
        predictor.logits(split_of(5), name="test")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [f"test, id {row}" for row in (0, 2, 3)]
    assert "the picture is [8, 11] pixels, [height, width], and all must be [9, 11]" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([{"name": "Normalize"}], "nothing says the size of the pictures"),
        ([KEEP, {"name": "Normalize"}], "several sizes"),
        ([KEEP, {"name": "Normalize"}, CROP], "CenterCrop must stand before Normalize"),
        ([KEEP, {**CROP, "size": [50, 50]}, {"name": "Normalize"}], "larger than the pictures"),
        ([KEEP, CROP], "Normalize is missing"),
        ([{"name": "RandomRotation", "degrees": [0, 9]}, {"name": "Normalize"}], "RandomRotation"),
    ],
)
def test_transforms_of_a_model_folder_are_checked_when_it_is_read(transforms, message: str, model, tmp_path) -> None:
    folder = description_of(KEEP, CROP).write(tmp_path, model.state_dict())
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "transforms": transforms}))
    with pytest.raises(UserError, match=message) as caught:
        model_folder.read_description(folder)
    assert str(path) in str(caught.value)


def test_a_pipeline_of_an_unknown_size_is_resolved_for_the_model_folder() -> None:
    pipeline = ImagePipeline.from_transforms(made({"name": "Pad", "padding": 2}), source_size=(9, 11))
    assert pipeline.fixed == made({"name": "RequireSize", "size": [9, 11]}, {"name": "Pad", "padding": 2})
    again = ImagePipeline.from_transforms(pipeline.fixed)
    assert again.cached == pipeline.cached and again.model_input_size == (13, 15)
