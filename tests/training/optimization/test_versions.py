"""The five versions have the table's optimizers, rates and transforms."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from optimizer_cases import STEPS, parameters, whole_run

from mtl_accel.config import Config, read_json, validate
from mtl_accel.config.sections.transforms import IMAGENET_MEAN, IMAGENET_STD
from mtl_accel.training.optimization.optimizers import build_optimizer
from mtl_accel.training.optimization.schedule import Schedule

RESIZE = {"name": "Resize", "size": (256, 256), "interpolation": "bilinear", "max_size": None}
CROP = {"name": "CenterCrop", "size": (224, 224)}
FLIP = {"name": "RandomHorizontalFlip", "p": 0.5}
JITTER = {"name": "ColorJitter", "brightness": 0.2, "contrast": 0.2, "saturation": 0.1, "hue": 0.1}
ROTATION = {"name": "RandomRotation", "degrees": (-90.0, 90.0), "interpolation": "nearest", "fill": 0.0}
NORMALIZE = {"name": "Normalize", "mean": IMAGENET_MEAN, "std": IMAGENET_STD}
BASE = [RESIZE, CROP, FLIP, ROTATION, NORMALIZE]
WITH_JITTER = [RESIZE, CROP, FLIP, JITTER, ROTATION, NORMALIZE]

ADAM = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False}
MOMENTUM = {"momentum": 0.9, "dampening": 0, "weight_decay": 0, "nesterov": False, "maximize": False}
STEP = ("StepLR", {"step_size": 5, "gamma": 0.1})
MILESTONES = ("MultiStepLR", {"milestones": {5: 1, 10: 1}, "gamma": 0.1})
DROPS_OF_FIVE = [1.0] * 5 + [0.1] * 5 + [0.01] * 5 + [0.001] * 5

VERSIONS = {
    "v1": ("Adam", ADAM, None, [1e-3] * 20, BASE),
    "v2": ("Adam", ADAM, STEP, [1e-3 * drop for drop in DROPS_OF_FIVE], BASE),
    "v3": ("SGD", MOMENTUM, MILESTONES, [1e-3] * 5 + [1e-4] * 5, WITH_JITTER),
    "v4": ("Adam", ADAM, None, [1e-4] * 20, BASE),
    "v5": ("AdamW", ADAM | {"weight_decay": 0.04}, STEP, [1e-4 * drop for drop in DROPS_OF_FIVE], WITH_JITTER),
}


def config_of(version: str) -> Config:
    path = Path("configs") / f"{version}.json"
    return validate(read_json(path), str(path))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_builds_the_optimizer_of_the_table(version):
    name, knobs, _, expected, _ = VERSIONS[version]
    config = config_of(version)
    optimizer = build_optimizer(config.optimizer, parameters())
    assert type(optimizer) is getattr(torch.optim, name)
    (group,) = optimizer.param_groups
    assert {key: group[key] for key in knobs} == knobs
    assert group["lr"] == expected[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_has_the_rates_of_the_table(version):
    _, _, scheduler, expected, _ = VERSIONS[version]
    config = config_of(version)
    assert config.epochs == len(expected) and config.warmup_epochs == 0
    schedule = Schedule(build_optimizer(config.optimizer, parameters()), config.scheduler, config.epochs, STEPS)
    built = [(type(part), {key: getattr(part, key) for key in scheduler[1]}) for part in schedule.parts]
    assert built == ([] if scheduler is None else [(getattr(torch.optim.lr_scheduler, scheduler[0]), scheduler[1])])
    by_step = whole_run(schedule, config.epochs)
    assert by_step == pytest.approx([rate for rate in expected for _ in range(STEPS)], rel=1e-12)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_has_the_transforms_of_the_table(version):
    transforms = config_of(version).transforms
    assert [transform.model_dump() for transform in transforms.train] == VERSIONS[version][4]
    assert [transform.model_dump() for transform in transforms.eval] == [RESIZE, CROP, NORMALIZE]
