"""Optimizers of a few parameters, the same each time, and schedules over them."""

from __future__ import annotations

from typing import get_args

import torch
from pydantic import TypeAdapter
from timm.optim import list_optimizers

from mtl_accel.config.sections.optimization import Optimizer
from mtl_accel.config.sections.optimizer_names import TIMM, TimmOptimizerName, TorchOptimizerName
from mtl_accel.config.sections.schedules import Scheduler
from mtl_accel.training.optimization.optimizers import OPTIMIZERS, build_optimizer
from mtl_accel.training.optimization.schedule import Schedule

EPOCHS, STEPS = 12, 4

SCHEDULERS = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 7], "gamma": 0.3},
    "CosineAnnealingLR": {},
    "CosineAnnealingLR to a floor": {"T_max": 5, "eta_min": 1e-4},
    "CosineAnnealingLR by steps": {"eta_min": 1e-4, "every": "step"},
    "OneCycleLR": {"max_lr": 0.02},
    "OneCycleLR to the optimizer's rate": {},
    "ConstantLR": {"factor": 0.5, "total_iters": 3},
    "LinearLR": {},
    "LinearLR by steps": {"start_factor": 0.5, "end_factor": 0.1, "total_iters": 5, "every": "step"},
    "ExponentialLR": {"gamma": 0.8},
    "ExponentialLR by steps": {"gamma": 0.8, "every": "step"},
    "PolynomialLR": {"power": 2.0},
    "PolynomialLR by steps": {"total_iters": 7, "every": "step"},
    "CosineAnnealingWarmRestarts": {"T_0": 2, "T_mult": 2},
    "CosineAnnealingWarmRestarts by steps": {"T_0": 3, "eta_min": 1e-3, "every": "step"},
    "SequentialLR": {
        "schedulers": [
            {"name": "LinearLR", "start_factor": 0.1},
            {"name": "ConstantLR", "factor": 1.0},
            {"name": "StepLR", "step_size": 2, "gamma": 0.5},
        ],
        "milestones": [3, 5],
    },
    "SequentialLR by steps": {
        "schedulers": [
            {"name": "LinearLR", "start_factor": 0.1, "every": "step"},
            {"name": "CosineAnnealingLR", "eta_min": 1e-4, "every": "step"},
        ],
        "milestones": [2],
    },
    "ReduceLROnPlateau": {"factor": 0.5, "patience": 1, "cooldown": 1, "min_lr": 1e-3},
}


def parameters() -> list[torch.nn.Parameter]:
    numbers = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=numbers)) for shape in ((4, 3, 2, 2), (20, 18), (5,), ())]


def installed_optimizers() -> list[str]:
    """Every optimizer that a config may name, of the installed torch and timm."""
    of_timm = [name for name in get_args(TimmOptimizerName) if name.removeprefix(TIMM) in list_optimizers()]
    return [*OPTIMIZERS, *get_args(TorchOptimizerName), *of_timm]


def optimizer_of(name: str = "SGD", **knobs) -> torch.optim.Optimizer:
    return build_optimizer(TypeAdapter(Optimizer).validate_python({"name": name, "lr": 0.01} | knobs), parameters())


def schedule_of(case: str | None, warmup_epochs: float = 0.0, epochs: int = EPOCHS) -> Schedule:
    """A schedule over an optimizer with rate 0.01."""
    knobs = None if case is None else {"name": case.split()[0], **SCHEDULERS[case]}
    scheduler = TypeAdapter(Scheduler | None).validate_python(knobs)
    return Schedule(optimizer_of(), scheduler, epochs, STEPS, warmup_epochs)


def score_of(epoch: int) -> float:
    """Of select_by after an epoch: it rises, stands still and falls."""
    return (0.1, 0.2, 0.2, 0.19, 0.3, 0.3, float("nan"), 0.29, 0.31, 0.31, 0.31, 0.31)[epoch]


def rates(schedule: Schedule, steps: range) -> list[float]:
    """The rate of each step of a run; the optimizer's steps keep torch from warning."""
    found = []
    for step in steps:
        found.append(schedule.lr)
        schedule.optimizer.step()
        schedule.after_step()
        if (step + 1) % STEPS == 0:
            schedule.after_epoch(score_of(step // STEPS) if schedule.needs_scores else None)
    return found


def whole_run(schedule: Schedule, epochs: int = EPOCHS) -> list[float]:
    return rates(schedule, range(epochs * STEPS))
