"""Test-time augmentation: every view is the one made by hand, and what is predicted is the mean of probabilities."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from augment_cases import pictures
from loading_cases import split_of
from PIL import Image
from pydantic import TypeAdapter
from torch import nn
from torchvision.transforms.v2 import functional as tv

from mtl_accel.config.sections.transforms import FixedTransform
from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Scale, Task
from mtl_accel.data.transforms.base import as_float
from mtl_accel.inference.mean_logits import mean_logits
from mtl_accel.inference.predictor import Predictor
from mtl_accel.inference.tta import TTA, parse
from mtl_accel.runs.model_folder import ModelDescription

TASKS = {
    "category": Task("category", "multiclass", ("category",), ("a", "b", "c"), "accuracy"),
    "attribute": Task("attribute", "multilabel", ("x", "y"), ("x", "y"), "f1_macro"),
    "price": Task("price", "regression", ("p",), ("p",), "mae", scale=Scale((2.0,), (0.5,), log1p=True)),
    "grade": Task("grade", "ordinal", ("g",), ("1", "2", "3", "4"), "mae", link="cumulative"),
    "size": Task("size", "ordinal", ("s",), ("S", "M", "L"), "mae", link="conditional"),
}
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
KEEP, CROP = {"name": "Resize", "size": 40}, {"name": "CenterCrop", "size": [32, 36]}
FIXED, LETTERBOX = {"name": "Resize", "size": [40, 44]}, {"name": "PadToSquare"}
SHAPES: dict[str, list[dict[str, Any]]] = {
    "one size": [FIXED, CROP],
    "several sizes": [KEEP, CROP],
    "a letterbox": [LETTERBOX, KEEP],
    "ten crops": [FIXED, {**CROP, "name": "TenCrop"}],
}


class Small(nn.Module):
    """A network that sees where in a picture a pattern lies, so that each view is another input."""

    def __init__(self, outputs: dict[str, int]) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 5, stride=3), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten())
        self.heads = nn.ModuleDict({f"task_{name}": nn.Linear(72, count) for name, count in outputs.items()})

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        features = self.features(images)
        return {name.removeprefix("task_"): head(features) for name, head in self.heads.items()}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return Small({name: task.num_outputs for name, task in TASKS.items()}).eval()


def predictor_of(model: nn.Module, *transforms: dict[str, Any], batch_size: int = 4) -> Predictor:
    listed = TypeAdapter(tuple[FixedTransform, ...]).validate_python([*transforms, {"name": "Normalize"}])
    thresholds = {"attribute": np.array([0.5, 0.5])}
    return Predictor(model, ModelDescription("resnet18_relu_linear", TASKS, thresholds, listed, "no", batch_size))


def by_hand(model: nn.Module, split: Any, shape: str, views: TTA) -> dict[str, np.ndarray]:
    """Probabilities of each picture alone, from torchvision's functions."""
    means = []
    for encoded in split["image"]:
        picture = tv.to_image(Image.open(io.BytesIO(encoded["bytes"])).convert("RGB"))
        passes = [
            _logits(model, [view.flip(2) if mirrored else view for view in averaged])
            for averaged in _views(picture, shape, views)
            for mirrored in ((False, True) if views.mirror else (False,))
        ]
        means.append({n: np.mean([t.probabilities(p[n].numpy()) for p in passes], axis=0) for n, t in TASKS.items()})
    return {name: np.concatenate([mean[name] for mean in means]) for name in TASKS}


def _logits(model: nn.Module, views: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        outputs = [model(view[None]) for view in views]
    return {name: torch.stack([output[name] for output in outputs]).mean(0) for name in TASKS}


def _views(picture: torch.Tensor, shape: str, views: TTA) -> list[list[torch.Tensor]]:
    pil = tv.to_pil_image(picture)
    if shape == "a letterbox":
        side = max(pil.size)
        left, top = (side - pil.width) // 2, (side - pil.height) // 2
        pil = tv.pad(pil, [left, top, side - pil.width - left, side - pil.height - top])
    resized = tv.resize(pil, [40] if shape in ("several sizes", "a letterbox") else [40, 44], antialias=True)
    image = tv.to_dtype(tv.pil_to_tensor(resized), torch.float32, scale=True)
    size = [40, 40] if shape == "a letterbox" else [32, 36]
    found: list[list[torch.Tensor]] = []
    for scale in (1.0, *views.scales):
        height, width = (round(scale * side) for side in image.shape[1:])
        scaled = image if scale == 1 else tv.resize(image, [height, width], antialias=True)
        rows, columns = max(0, size[0] - height), max(0, size[1] - width)
        padding = [columns // 2, rows // 2, columns - columns // 2, rows - rows // 2]
        scaled = tv.normalize(tv.pad(scaled, padding, fill=MEAN), MEAN, STD)
        if shape == "ten crops":
            found.append(list(tv.ten_crop(scaled, size)))
        elif views.has_crops:
            found += [[crop] for crop in tv.five_crop(scaled, size)]
        else:
            found.append([tv.center_crop(scaled, size)])
    return found


LISTS = ["mirror", "scales=0.7:1.25", "mirror,scales=1.1", "crops=5", "mirror,scales=0.6,crops=5"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tta", LISTS)
def test_the_mean_over_all_combinations_is_that_of_views_made_by_hand(shape: str, tta: str, model) -> None:
    views, split, predictor = parse(tta), split_of(5), predictor_of(model, *SHAPES[shape])
    if views.has_crops and shape in ("a letterbox", "ten crops"):
        with pytest.raises(UserError, match="crops=5"):
            predictor.probabilities(split, tta=tta)
        return
    expected = by_hand(model, split, shape, views)
    found = predictor.probabilities(split, tta=tta)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    if (shape, tta) != ("ten crops", "mirror"):  # these ten are mirrored anyway
        assert not np.allclose(predictor.probabilities(split)["category"], found["category"], atol=1e-6)
    # The figures of an evaluation start from logits, and are those of the same probabilities.
    logits = predictor.mean_logits(split, tta=tta)
    start = 0
    for name, task in TASKS.items():
        part = logits[:, start : start + task.num_outputs].numpy()
        np.testing.assert_allclose(task.probabilities(part), found[name], rtol=1e-9, atol=1e-12)
        start += task.num_outputs


def test_flip_and_mirror_are_what_flip_was_to_the_bit(model) -> None:
    split, predictor = split_of(6), predictor_of(model, KEEP, CROP)
    both = [predictor.logits(split, mirrored=mirrored).double() for mirrored in (False, True)]
    places = np.cumsum([0, *(task.num_outputs for task in TASKS.values())])
    ways = [predictor.probabilities(split, **way) for way in ({"flip": True}, {"tta": "mirror"}, {"tta": ["mirror"]})]
    for (name, task), start in zip(TASKS.items(), places, strict=False):
        parts = [task.probabilities(logits[:, start : start + task.num_outputs].numpy()) for logits in both]
        assert all(np.array_equal(way[name], np.mean(parts, axis=0)) for way in ways)
    assert torch.equal(predictor.mean_logits(split), predictor.logits(split))
    tables = [predictor.predict(split, probabilities=True, **way) for way in ({"flip": True}, {"tta": "mirror"})]
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("shape", ["one size", "several sizes"])
def test_the_views_of_a_picture_do_not_depend_on_the_batch_to_the_last_bit(shape: str, model) -> None:
    pipeline = predictor_of(model, *SHAPES[shape]).description.pipeline.with_views([0.7, 1.2], has_crops=True)
    images = pictures(6, 40, 44)

    def views_of(rows: list[int]) -> list[torch.Tensor]:
        per_sample = pipeline.per_sample
        loaded = images[rows] if per_sample is None else per_sample(list(images[rows]), np.array(rows), 0)
        return [view for views in pipeline.passes(loaded) for view in views]

    whole = views_of([0, 1, 2, 3, 4, 5])
    assert len(whole) == 3 * 5 == pipeline.num_passes
    for rows in ([3], [5, 1]):
        assert all(torch.equal(part, view[rows]) for part, view in zip(views_of(rows), whole, strict=True))
    assert torch.equal(whole[4], as_float(tv.center_crop(images, [32, 36])))


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_any_batch_size_predicts_the_same(batch_size: int, model) -> None:
    split, tta = split_of(5), [{"scales": 1.2}, "mirror"]
    expected = predictor_of(model, KEEP, CROP).probabilities(split, tta=tta)
    found = predictor_of(model, KEEP, CROP, batch_size=batch_size).probabilities(split, tta=tta)
    for name in TASKS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)


def test_no_picture_gives_the_columns_of_every_kind(model) -> None:
    table = predictor_of(model, KEEP, CROP).predict([], probabilities=True, tta="mirror,scales=2,crops=5")
    assert len(table) == 0 and "category/a" in table


@pytest.mark.parametrize("spread", [1.0, 30.0, 200.0])
def test_mean_logits_give_the_mean_probabilities_and_stay_finite(spread: float) -> None:
    numbers = torch.Generator().manual_seed(0)
    width = sum(task.num_outputs for task in TASKS.values())
    passes = [torch.randn(50, width, generator=numbers) * spread for _ in range(6)]
    combined = mean_logits(torch.cat(passes, dim=1), TASKS, 6)
    start = 0
    for name, task in TASKS.items():
        columns = slice(start, start := start + task.num_outputs)
        if task.kind == "regression" and spread > 30:
            continue  # e to the power of 100 is no price
        expected = np.mean([task.probabilities(part[:, columns].double().numpy()) for part in passes], axis=0)
        found = task.probabilities(combined[:, columns].numpy())
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9, err_msg=name)
        assert task.kind == "ordinal" or torch.isfinite(combined[:, columns]).all()


@pytest.mark.parametrize(
    ("transforms", "part"),
    [
        ([FIXED], "larger than the [40, 44] of the network"),
        ([{"name": "Resize", "size": [32, 36]}, CROP], "larger than the [32, 36] of the network"),
        ([FIXED, CROP, {"name": "Pad", "padding": 2}], "larger than the [36, 40] of the network"),
        ([KEEP, {**CROP, "name": "FiveCrop"}], "and the FiveCrop of transforms.eval"),
    ],
)
def test_crops_of_pictures_that_have_nothing_around_the_middle_are_refused_before_any_is_read(
    transforms: list[dict[str, Any]], part: str, model
) -> None:
    predictor = predictor_of(model, *transforms)
    with pytest.raises(UserError) as caught:
        predictor.predict("there/is/none.png", tta="crops=5")
    (problem,) = caught.value.problems
    assert problem.startswith("tta: crops=5") and part in problem


def test_a_picture_that_is_smaller_than_the_crop_is_refused_with_views_too(model) -> None:
    predictor = predictor_of(model, {"name": "CenterCrop", "size": [10, 11]})
    for tta in (None, "scales=2", "crops=5"):
        with pytest.raises(UserError, match=r"of \[10, 11\] is larger than (a|the) picture of \[8, 11\]"):
            predictor.probabilities(split_of(3), tta=tta)
