"""Schedulers of torch from the sections of a config: one that a run steps after each epoch, or after each step."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from torch.optim import Optimizer, lr_scheduler

from ...config.sections.schedules import OneCycleLR, Part, ReduceLROnPlateau, Scheduler, SequentialLR
from ...core.errors import UserError

_LENGTHS = ("step_size", "total_iters", "T_max", "T_0")  # arguments that count epochs
_WHOLE = {"LinearLR": "total_iters", "PolynomialLR": "total_iters", "CosineAnnealingLR": "T_max"}  # null: all epochs


class Length(NamedTuple):
    """Length of a run: its epochs, and the optimizer steps of each."""

    epochs: int
    steps_per_epoch: int


def steps_every_step(config: Scheduler) -> bool:
    """Whether a schedule changes the rate with each optimizer step, and not once an epoch."""
    if isinstance(config, SequentialLR):
        return any(getattr(part, "every", None) == "step" for part in config.schedulers)
    return isinstance(config, OneCycleLR) or getattr(config, "every", None) == "step"


def build_scheduler(
    optimizer: Optimizer, config: Scheduler, length: Length, *, lower_is_better: bool
) -> lr_scheduler.LRScheduler:
    """Build torch's scheduler over an optimizer.

    Args:
        lower_is_better: of the values that ReduceLROnPlateau is given.

    Raises:
        UserError: OneCycleLR would have to rise within the first step.
    """
    if isinstance(config, OneCycleLR):
        return _one_cycle(optimizer, config, length.epochs * length.steps_per_epoch)
    if isinstance(config, ReduceLROnPlateau):
        knobs = config.model_dump(exclude={"name"})
        return lr_scheduler.ReduceLROnPlateau(optimizer, mode="min" if lower_is_better else "max", **knobs)
    unit = length.steps_per_epoch if steps_every_step(config) else 1
    if isinstance(config, SequentialLR):
        return _sequence(optimizer, config, length.epochs, unit)
    return _scheduler(optimizer, config, length.epochs, unit)


def _scheduler(optimizer: Optimizer, config: Part, epochs: int, unit: int) -> lr_scheduler.LRScheduler:
    """Build one of torch's that needs nothing but numbers. `unit`: how often it is stepped in an epoch."""
    knobs: dict[str, Any] = config.model_dump(exclude={"name", "every"})
    if (length := _WHOLE.get(config.name)) is not None:
        knobs[length] = knobs[length] or epochs
    knobs |= {key: value * unit for key, value in knobs.items() if key in _LENGTHS}
    if "milestones" in knobs:
        knobs["milestones"] = [milestone * unit for milestone in knobs["milestones"]]
    if config.name == "ExponentialLR":
        knobs["gamma"] **= 1 / unit
    kind: type[lr_scheduler.LRScheduler] = getattr(lr_scheduler, config.name)
    return kind(optimizer, **knobs)


def _sequence(optimizer: Optimizer, config: SequentialLR, epochs: int, unit: int) -> lr_scheduler.SequentialLR:
    begins, ends = (0, *config.milestones), (*config.milestones, epochs)
    parts = [
        _scheduler(optimizer, part, end - begin, unit)
        for part, begin, end in zip(config.schedulers, begins, ends, strict=True)
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, [milestone * unit for milestone in config.milestones])


def _one_cycle(optimizer: Optimizer, config: OneCycleLR, num_steps: int) -> lr_scheduler.OneCycleLR:
    """Raises: UserError where the rate would have to rise within the first step, where torch divides by 0."""
    total_steps = num_steps + 1  # the last step of the run still has a rate after it
    if config.pct_start * total_steps == 1:
        raise UserError(
            f"scheduler.pct_start: {config.pct_start:g} of a run of {num_steps} steps leaves OneCycleLR no step to "
            "rise in; set it a little higher or lower"
        )
    knobs = config.model_dump(exclude={"name", "max_lr"})
    max_lr = config.max_lr or optimizer.param_groups[0]["lr"]
    return lr_scheduler.OneCycleLR(optimizer, max_lr, **knobs, total_steps=total_steps, cycle_momentum=False)


_KEPT = (  # what a step changes in a scheduler, whatever its kind
    *("last_epoch", "_step_count", "_last_lr", "base_lrs"),
    *("T_cur", "T_i"),
    *("best", "num_bad_epochs", "cooldown_counter"),
)


def scheduler_state(scheduler: lr_scheduler.LRScheduler) -> dict[str, Any]:
    """State of a scheduler as plain numbers and lists, fit for JSON."""
    state = {key: getattr(scheduler, key) for key in _KEPT if hasattr(scheduler, key)}
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) and not math.isfinite(scheduler.best):
        state["best"] = None  # none so far, for which torch has an infinite one, and JSON not
    if isinstance(scheduler, lr_scheduler.SequentialLR):
        state["parts"] = [scheduler_state(part) for part in scheduler._schedulers]
    return state


def load_scheduler_state(scheduler: lr_scheduler.LRScheduler, state: dict[str, Any]) -> None:
    """Load what `scheduler_state` returned into a scheduler of the same config."""
    for key in _KEPT:
        if hasattr(scheduler, key):
            setattr(scheduler, key, state[key])
    if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau) and state["best"] is None:
        scheduler.best = scheduler.mode_worse
    if isinstance(scheduler, lr_scheduler.SequentialLR):
        for part, inner in zip(scheduler._schedulers, state["parts"], strict=True):
            load_scheduler_state(part, inner)
