"""The five versions have the table's optimizers, rates and transforms; every schedule resumes exactly."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import get_args

import pytest
import torch
from optimizer_cases import optimizer_of, parameters
from pydantic import TypeAdapter

from mtl_accel.config import Config, read_json, validate
from mtl_accel.config.sections.optimization import CosineAnnealingLR, OneCycleLR, Optimizer, Scheduler
from mtl_accel.config.sections.transforms import IMAGENET_MEAN, IMAGENET_STD
from mtl_accel.core.errors import UserError
from mtl_accel.training.optimization.optim import OPTIMIZERS, Schedule, build_optimizer
from mtl_accel.training.state import load_optimizer_state, optimizer_state

EPOCHS, STEPS = 12, 4

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

SCHEDULERS = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 7], "gamma": 0.3},
    "CosineAnnealingLR": {},
    "CosineAnnealingLR to a floor": {"T_max": 5, "eta_min": 1e-4},
    "CosineAnnealingLR by steps": {"eta_min": 1e-4, "every": "step"},
    "OneCycleLR": {"max_lr": 0.02},
}


def config_of(version: str) -> Config:
    path = Path("configs") / f"{version}.json"
    return validate(read_json(path), str(path))


def schedule_of(case: str | None, warmup_epochs: float = 0.0, epochs: int = EPOCHS) -> Schedule:
    """A schedule over an optimizer with rate 0.01."""
    knobs = None if case is None else {"name": case.split()[0], **SCHEDULERS[case]}
    scheduler = TypeAdapter(Scheduler | None).validate_python(knobs)
    return Schedule(optimizer_of(), scheduler, epochs, STEPS, warmup_epochs)


def rates(schedule: Schedule, steps: range) -> list[float]:
    """The rate of each step of a run; the optimizer's steps keep torch from warning."""
    found = []
    for step in steps:
        found.append(schedule.lr)
        schedule.optimizer.step()
        schedule.after_step()
        if (step + 1) % STEPS == 0:
            schedule.after_epoch()
    return found


def whole_run(schedule: Schedule, epochs: int = EPOCHS) -> list[float]:
    return rates(schedule, range(epochs * STEPS))


@pytest.mark.parametrize("case", [None, *SCHEDULERS])
@pytest.mark.parametrize("done", [0, 3, 17, 48])
@pytest.mark.filterwarnings("error")
def test_a_replayed_schedule_stands_where_the_steps_would_have_led(case, done):
    warmup_epochs = 0.0 if case == "OneCycleLR" else 2.5
    stepped, replayed = schedule_of(case, warmup_epochs), schedule_of(case, warmup_epochs)
    rates(stepped, range(done))
    replayed.replay(done // STEPS, done % STEPS, STEPS)
    assert replayed.lr == stepped.lr
    assert replayed.state_dict() == stepped.state_dict()


def test_a_cycle_that_would_rise_within_one_step_is_an_error_that_names_its_knob():
    scheduler = TypeAdapter(Scheduler).validate_python({"name": "OneCycleLR", "max_lr": 0.01, "pct_start": 0.25})
    with pytest.raises(UserError, match=r"scheduler\.pct_start: 0\.25 .* 3 steps"):
        Schedule(optimizer_of(), scheduler, 3, 1)


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


def test_the_cases_cover_every_scheduler_and_optimizer():
    names = {get_args(member.model_fields["name"].annotation)[0] for member in get_args(get_args(Scheduler)[0])}
    assert names == {case.split()[0] for case in SCHEDULERS}
    names = {get_args(member.model_fields["name"].annotation)[0] for member in get_args(get_args(Optimizer)[0])}
    assert names == set(OPTIMIZERS)


@pytest.mark.parametrize("case", [None, *(case for case in SCHEDULERS if case != "OneCycleLR")])
@pytest.mark.parametrize("warmup_epochs", [0.25, 1, 2.5, 7])
def test_warm_up_multiplies_every_schedule(case, warmup_epochs):
    plain, warmed = whole_run(schedule_of(case)), whole_run(schedule_of(case, warmup_epochs))
    length = round(warmup_epochs * STEPS)
    factors = [min(1.0, (step + 1) / (length + 1)) for step in range(EPOCHS * STEPS)]
    assert warmed == pytest.approx([rate * factor for rate, factor in zip(plain, factors, strict=True)], rel=1e-9)


def test_cosine_reaches_its_end_with_the_run_when_no_period_is_given():
    schedule = schedule_of("CosineAnnealingLR")
    assert isinstance(schedule.parts[0], torch.optim.lr_scheduler.CosineAnnealingLR)
    assert schedule.parts[0].T_max == EPOCHS
    by_epoch = whole_run(schedule)[::STEPS]
    expected = [0.005 * (1 + math.cos(math.pi * epoch / EPOCHS)) for epoch in range(EPOCHS)]
    assert by_epoch == pytest.approx(expected, rel=1e-9)
    assert schedule.lr == pytest.approx(0, abs=1e-12)
    given = TypeAdapter(CosineAnnealingLR).validate_python({"name": "CosineAnnealingLR", "T_max": 3})
    assert Schedule(optimizer_of(), given, EPOCHS, STEPS).parts[0].T_max == 3


def test_a_cosine_by_steps_is_torchs_over_all_steps():
    found = whole_run(schedule_of("CosineAnnealingLR by steps"))
    steps = EPOCHS * STEPS
    expected = [1e-4 + 0.5 * (0.01 - 1e-4) * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", [None, *SCHEDULERS])
def test_the_rates_of_all_groups_keep_their_ratio_and_the_schedule_s_is_the_first_ones(case):
    knobs = None if case is None else {"name": case.split()[0], **SCHEDULERS[case]}
    warmup = 0.0 if case == "OneCycleLR" else 1.5
    config = TypeAdapter(Optimizer).validate_python({"name": "SGD", "lr": 0.01})
    first, second, third = ([parameter] for parameter in parameters())
    groups = [{"params": first}, {"params": second, "lr": 0.001}, {"params": third, "lr": 0.02}]
    optimizer = build_optimizer(config, groups)
    schedule = Schedule(optimizer, TypeAdapter(Scheduler | None).validate_python(knobs), EPOCHS, STEPS, warmup)
    alone = whole_run(schedule_of(case, warmup))
    for step, expected in enumerate(alone):
        assert schedule.lr == expected
        assert [group["lr"] / expected for group in optimizer.param_groups] == pytest.approx([1, 0.1, 2], rel=1e-12)
        rates(schedule, range(step, step + 1))


def test_one_cycle_goes_up_and_down_by_steps_over_the_whole_run():
    found = whole_run(schedule_of("OneCycleLR"))
    peak = found.index(max(found))
    assert found[0] == pytest.approx(0.02 / 25)
    assert found[peak] == pytest.approx(0.02, rel=2e-2) and abs(peak - 0.3 * EPOCHS * STEPS) <= 1
    assert found[:peak] == sorted(found[:peak]) and found[peak:] == sorted(found[peak:], reverse=True)
    assert len(set(found[:-1])) == len(found) - 1 and found[-1] < found[0]


def test_one_cycle_leaves_the_momentum_alone():
    config = TypeAdapter(OneCycleLR).validate_python({"name": "OneCycleLR", "max_lr": 0.02})
    schedule = Schedule(optimizer_of(momentum=0.9), config, EPOCHS, STEPS)
    whole_run(schedule)
    assert schedule.optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("case", [None, *SCHEDULERS])
@pytest.mark.parametrize("done", [0, 1, 7, 8, 30, EPOCHS * STEPS])
def test_a_schedule_goes_on_exactly_after_a_trip_through_json(case, done):
    warmup = 0.0 if case == "OneCycleLR" else 2.5
    uninterrupted = whole_run(schedule_of(case, warmup))
    first, second = schedule_of(case, warmup), schedule_of(case, warmup)
    before = rates(first, range(done))
    tensors, plain = optimizer_state(first.optimizer)
    plain, state = json.loads(json.dumps([plain, first.state_dict()]))
    load_optimizer_state(second.optimizer, tensors, plain)
    second.load_state_dict(state)
    assert second.lr == first.lr
    assert before + rates(second, range(done, EPOCHS * STEPS)) == uninterrupted
