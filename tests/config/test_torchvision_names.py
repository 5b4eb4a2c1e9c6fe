"""Any other transform of torchvision v2 in a config: the list of names, and what is told of wrong ones."""

from __future__ import annotations

import inspect
import json
from typing import get_args

import jsonschema
import pytest
from torchvision.transforms import v2
from torchvision_cases import NAMES

from mtl_accel.config import Config, help_text, json_schema, parse_command_line, validate
from mtl_accel.config.saved import upgraded
from mtl_accel.config.sections.torchvision_names import TorchvisionTransform
from mtl_accel.config.sections.transforms import Transform, is_torchvisions
from mtl_accel.core.errors import UserError

OURS = {section.__name__ for section in get_args(get_args(Transform)[0])} - {"TorchvisionTransform"}
# Why a transform of torchvision cannot stand in a config.
CANNOT_WORK = {
    "boxes, key points and masks": {
        "ClampBoundingBoxes",
        "ClampKeyPoints",
        "ConvertBoundingBoxFormat",
        "RandomIoUCrop",
        "SanitizeBoundingBoxes",
        "SanitizeKeyPoints",
        "SetClampingMode",
    },
    "whole batches with labels": {"CutMix", "MixUp"},
    "arguments that are code or tensors": {
        "Compose",
        "Lambda",
        "LinearTransformation",
        "RandomApply",
        "RandomChoice",
        "RandomOrder",
    },
    "other types": {"ConvertImageDtype", "PILToTensor", "ToDtype", "ToImage", "ToPILImage", "ToPureTensor", "ToTensor"},
    "several pictures": {"UniformTemporalSubsample"},
    "the base class": {"Transform"},
}


def test_every_transform_of_the_installed_torchvision_is_ours_taken_or_cannot_work() -> None:
    there = {n for n, c in vars(v2).items() if inspect.isclass(c) and issubclass(c, v2.Transform) and n[0] != "_"}
    cannot = set().union(*CANNOT_WORK.values())
    assert there - OURS - set(NAMES) - cannot == set()
    assert len(OURS | set(NAMES) | cannot) == len(OURS) + len(NAMES) + len(cannot), "a name stands in two lists"
    assert list(NAMES) == sorted(NAMES)


PERSPECTIVE = {"name": "RandomPerspective", "distortion_scale": 0.3}
RESIZE, NORMALIZE = {"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}


def with_train(*transforms: dict) -> dict:
    return {
        "tasks": {"category": {"kind": "multiclass", "column": "category"}},
        "transforms": {"train": list(transforms), "eval": [RESIZE, NORMALIZE]},
        "optimizer": {"name": "Adam"},
    }


def problems(raw: dict) -> list[str]:
    with pytest.raises(UserError) as caught:
        validate(raw, "a.json")
    return [problem.removeprefix("a.json: ") for problem in caught.value.problems]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_accepted_with_any_arguments_fits_the_schema_and_loads_back(name: str) -> None:
    given = {"name": name, "size": [1, 2], "arguments": {"a": [None, 0.5]}, "p": "x"}
    raw = with_train(RESIZE, given, NORMALIZE)
    config = validate(raw, "a.json")
    taken = config.transforms.train[1]
    assert isinstance(taken, TorchvisionTransform)
    assert {"name": name, **taken.arguments} == given
    resolved = json.loads(json.dumps(config.model_dump(mode="json", by_alias=True)))
    assert validate(resolved, "config.json") == config
    assert list(jsonschema.Draft202012Validator(json.loads(json_schema())).iter_errors(raw)) == []
    assert f'"{name}"' in help_text("train.py", "Train.", {})


def test_a_misspelt_name_is_told_with_the_nearest_of_ours_and_torchvision_s_and_with_all_else() -> None:
    raw = with_train(
        RESIZE, {"name": "RandomPerspectiv"}, {"name": "ColorJiter"}, {**PERSPECTIVE, "p": float("nan")}, NORMALIZE
    )
    found = problems({**raw, "epochs": 0})
    assert [problem.split(":")[0] for problem in found] == [
        "epochs",
        "transforms.train.1.name",
        "transforms.train.2.name",
        "transforms.train.3.p",
    ]
    assert "did you mean 'RandomPerspective'?" in found[1] and "'RandomPerspectiv' is none of Resize, " in found[1]
    assert "did you mean 'ColorJitter'?" in found[2]
    assert "finite" in found[3] and "got NaN" in found[3]


@pytest.mark.parametrize(
    ("transforms", "parts"),
    [
        ([RESIZE, NORMALIZE, PERSPECTIVE], ["transforms.train.2: RandomPerspective must stand before Normalize"]),
        ([RESIZE, PERSPECTIVE, RESIZE, NORMALIZE], ["transforms.train.2: Resize must stand before every random"]),
        ([RESIZE, {"name": "MixUp"}, NORMALIZE], ["transforms.train.1.name: 'MixUp' is none of"]),
    ],
)
def test_a_transform_of_torchvision_stands_between_the_cached_ones_and_normalize(transforms, parts) -> None:
    (message,) = problems(with_train(*transforms))
    assert [part for part in parts if part not in message] == []


def test_a_crop_behind_one_of_torchvision_may_be_larger_than_what_was_cached() -> None:
    validate(with_train(RESIZE, {"name": "Pad", "padding": 4}, {"name": "CenterCrop", "size": [12, 12]}, NORMALIZE), "")


def test_evaluation_takes_fixed_transforms_only() -> None:
    raw = with_train(RESIZE, NORMALIZE)
    raw["transforms"]["eval"] = [RESIZE, {"name": "Grayscale", "num_output_channels": 3}, NORMALIZE]
    (message,) = problems(raw)
    assert message.startswith("transforms.eval.1.name: 'Grayscale' is none of Resize, CenterCrop, Normalize")


def test_an_argument_can_be_set_on_the_command_line() -> None:
    given = json.dumps([RESIZE, PERSPECTIVE, NORMALIZE])
    arguments = ["--config", "configs/v5.json", "--transforms.train", given, "--transforms.train.1.p", "0.25"]
    config, _ = parse_command_line(arguments, {"config": ""})
    assert isinstance(config, Config)
    assert config.transforms.train[1].model_extra == {"distortion_scale": 0.3, "p": 0.25}


def test_a_saved_fill_of_torchvision_s_pad_was_in_0_to_1_and_is_so_many_of_255() -> None:
    pads = [{"name": "Pad", "padding": 1, "fill": fill} for fill in (0, 9, 0.2, 1, [0, 0.5, 1])]
    transforms = upgraded({"transforms": {"train": [*pads, {"name": "Pad", "padding": 2}]}})["transforms"]["train"]
    assert [pad.get("fill") for pad in transforms] == [0, 9, 51, 255, [0, 127.5, 255], None]
    validate(with_train(RESIZE, *transforms, NORMALIZE), "config.json")


@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide"])
def test_a_run_that_was_saved_before_the_batched_ones_keeps_torchvision_s_own(name: str) -> None:
    before = {"name": name, "interpolation": "bilinear", "fill": [1, 2, 3]}
    (kept,) = upgraded({"transforms": {"train": [before]}})["transforms"]["train"]
    transform = validate(with_train(RESIZE, kept, NORMALIZE), "config.json").transforms.train[1]
    assert is_torchvisions(transform)
    assert {key: transform.arguments[key] for key in ("interpolation", "fill")} == {
        "interpolation": "bilinear",
        "fill": [1, 2, 3],
    }
    now = {"name": name, "batched": True}
    assert upgraded({"transforms": {"train": [now]}})["transforms"]["train"] == [now]


def test_a_magnitude_beyond_the_bins_is_told() -> None:
    raw = with_train(RESIZE, {"name": "RandAugment", "magnitude": 12, "num_magnitude_bins": 12}, NORMALIZE)
    (message,) = problems(raw)
    assert message.startswith("transforms.train.1.magnitude: 12 must be smaller than num_magnitude_bins, 12")
