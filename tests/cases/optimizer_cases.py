"""Optimizers of a few parameters, the same each time, and schedules over them."""

from __future__ import annotations

import torch
from pydantic import TypeAdapter

from mtl_accel.config.sections.optimization import Optimizer, Scheduler
from mtl_accel.training.optimization.optimizers import build_optimizer
from mtl_accel.training.optimization.schedule import Schedule

EPOCHS, STEPS = 12, 4

SCHEDULERS = {
    "StepLR": {"step_size": 3, "gamma": 0.5},
    "MultiStepLR": {"milestones": [2, 7], "gamma": 0.3},
    "CosineAnnealingLR": {},
    "CosineAnnealingLR to a floor": {"T_max": 5, "eta_min": 1e-4},
    "CosineAnnealingLR by steps": {"eta_min": 1e-4, "every": "step"},
    "OneCycleLR": {"max_lr": 0.02},
}


def parameters() -> list[torch.nn.Parameter]:
    numbers = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=numbers)) for shape in ((4, 3, 2, 2), (5,), ())]


def optimizer_of(name: str = "SGD", **knobs) -> torch.optim.Optimizer:
    return build_optimizer(TypeAdapter(Optimizer).validate_python({"name": name, "lr": 0.01} | knobs), parameters())


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
