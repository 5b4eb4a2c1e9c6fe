"""Schedules of the learning rate, under torch.optim.lr_scheduler's names and arguments.

Lengths count in epochs. `every` says whether a rate changes once an epoch or with each step, over the same length.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ..base import Section
from .optimization import NonNegative, Optimizer, Positive

Every = Literal["epoch", "step"]
_Factor = Annotated[float, Field(gt=0, le=1)]
_EVERY = "How often the rate is lowered."


class StepLR(Section):
    """Multiply the learning rate by gamma every step_size epochs."""

    name: Literal["StepLR"]
    step_size: int = Field(gt=0, description="Epochs between two drops.")
    gamma: Positive = Field(0.1, description="Factor of a drop.")


class MultiStepLR(Section):
    """Multiply the learning rate by gamma after each of the milestones."""

    name: Literal["MultiStepLR"]
    milestones: tuple[Annotated[int, Field(gt=0)], ...] = Field(description="Epochs after which it drops.")
    gamma: Positive = Field(0.1, description="Factor of a drop.")


class ConstantLR(Section):
    """Multiply the learning rate by a factor for the first epochs."""

    name: Literal["ConstantLR"]
    factor: _Factor = Field(1 / 3, description="Factor on the learning rate.")
    total_iters: int = Field(5, ge=0, description="Epochs with the factor.")


class LinearLR(Section):
    """Change the factor on the learning rate from start_factor to end_factor, by the same amount each time."""

    name: Literal["LinearLR"]
    start_factor: _Factor = Field(1 / 3, description="Factor at the start.")
    end_factor: Annotated[float, Field(ge=0, le=1)] = Field(1.0, description="Factor at the end.")
    total_iters: int | None = Field(None, gt=0, description="Epochs of the change; null: all that there are.")
    every: Every = Field("epoch", description="How often the rate changes.")


class ExponentialLR(Section):
    """Multiply the learning rate by gamma each epoch."""

    name: Literal["ExponentialLR"]
    gamma: Positive = Field(description="Factor of an epoch; with every step, its root is that of a step.")
    every: Every = Field("epoch", description=_EVERY)


class PolynomialLR(Section):
    """Lower the learning rate to 0, as (1 - t / total_iters)^power."""

    name: Literal["PolynomialLR"]
    total_iters: int | None = Field(None, gt=0, description="Epochs until it is 0; null: all that there are.")
    power: Positive = Field(1.0, description="Power; 1: a straight line.")
    every: Every = Field("epoch", description=_EVERY)


class CosineAnnealingLR(Section):
    """Half a cosine from the learning rate down to eta_min (Loshchilov and Hutter, 2017)."""

    name: Literal["CosineAnnealingLR"]
    T_max: int | None = Field(None, gt=0, description="Epochs of the half wave; null: all epochs of the run.")
    eta_min: NonNegative = Field(0.0, description="Learning rate at the end.")
    every: Every = Field("epoch", description=_EVERY)


class CosineAnnealingWarmRestarts(Section):
    """Half cosines down to eta_min, one after another, each from the learning rate (Loshchilov and Hutter, 2017)."""

    name: Literal["CosineAnnealingWarmRestarts"]
    T_0: int = Field(gt=0, description="Epochs of the first half wave.")
    T_mult: int = Field(1, ge=1, description="Length of each half wave, as a multiple of the one before.")
    eta_min: NonNegative = Field(0.0, description="Learning rate at the end of each.")
    every: Every = Field("epoch", description=_EVERY)


_Single = (
    StepLR
    | MultiStepLR
    | ConstantLR
    | LinearLR
    | ExponentialLR
    | PolynomialLR
    | CosineAnnealingLR
    | CosineAnnealingWarmRestarts
)
Part = Annotated[_Single, Field(discriminator="name")]


class SequentialLR(Section):
    """Schedules one after another. Each begins at the optimizer's rate and counts its epochs from its own start."""

    name: Literal["SequentialLR"]
    schedulers: tuple[Part, ...] = Field(min_length=2, description="The schedules, in order; all with one `every`.")
    milestones: tuple[Annotated[int, Field(gt=0)], ...] = Field(
        description="Epochs after which the next one takes over, one fewer than there are schedules."
    )


class OneCycleLR(Section):
    """Up to max_lr and down again (Smith and Topin, 2018), by optimizer steps over the whole run."""

    name: Literal["OneCycleLR"]
    max_lr: Positive | None = Field(
        None, description="Highest learning rate; null: optimizer.lr. Another one than optimizer.lr is an error."
    )
    pct_start: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="Share of the run that goes up.")
    div_factor: Positive = Field(25.0, description="max_lr divided by the first learning rate.")
    final_div_factor: Positive = Field(1e4, description="First learning rate divided by the last one.")


class ReduceLROnPlateau(Section):
    """Multiply the learning rate by factor when select_by has not improved for more than patience epochs."""

    name: Literal["ReduceLROnPlateau"]
    factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.1, description="Factor of a drop.")
    patience: int = Field(10, ge=0, description="Epochs without an improvement that are let pass before a drop.")
    threshold: NonNegative = Field(1e-4, description="An improvement by no more than this counts as none.")
    threshold_mode: Literal["rel", "abs"] = Field(
        "rel", description='"rel": threshold is a share of the best value so far; "abs": a difference.'
    )
    cooldown: int = Field(0, ge=0, description="Epochs after a drop that do not count.")
    min_lr: NonNegative = Field(0.0, description="Lowest learning rate.")
    eps: NonNegative = Field(1e-8, description="A drop by no more than this is left out.")


Scheduler = Annotated[_Single | SequentialLR | OneCycleLR | ReduceLROnPlateau, Field(discriminator="name")]


def rate_problems(scheduler: Scheduler | None, optimizer: Optimizer) -> list[str]:
    """Problems that a schedule and the rate of the optimizer have together."""
    if not isinstance(scheduler, OneCycleLR) or scheduler.max_lr in (None, optimizer.lr):
        return []
    return [
        f"scheduler.max_lr: {scheduler.max_lr:g} and optimizer.lr {optimizer.lr:g} are two highest rates of one run, "
        "and OneCycleLR has one; set optimizer.lr to the one you mean, and leave scheduler.max_lr out"
    ]


def schedule_problems(scheduler: Scheduler | None, epochs: int, warmup_epochs: float) -> list[str]:
    """Problems that schedule, warm-up and length of the run have together."""
    found: list[str] = []
    if isinstance(scheduler, MultiStepLR):
        found += _milestone_problems("scheduler.milestones", scheduler.milestones, epochs)
    if isinstance(scheduler, SequentialLR):
        found += _sequence_problems(scheduler, epochs)
    if isinstance(scheduler, OneCycleLR) and warmup_epochs:
        found.append(f"warmup_epochs: {warmup_epochs} with OneCycleLR, which has a warm-up of its own; set it to 0")
    if warmup_epochs > epochs:
        found.append(f"warmup_epochs: {warmup_epochs} is longer than the run of {epochs} epochs")
    return found


def _milestone_problems(path: str, milestones: tuple[int, ...], epochs: int) -> list[str]:
    found = []
    late = [epoch for epoch in milestones if epoch > epochs]
    if late:
        found.append(f"{path}: {late} lie beyond the last epoch, {epochs}; drop them or train longer")
    if list(milestones) != sorted(set(milestones)):
        found.append(f"{path}: {list(milestones)} must rise")
    return found


def _sequence_problems(sequence: SequentialLR, epochs: int) -> list[str]:
    parts, milestones = sequence.schedulers, sequence.milestones
    if len(milestones) != len(parts) - 1:
        return [
            f"scheduler.milestones: {len(parts)} schedules have {len(parts) - 1} milestones between them "
            f"(got {list(milestones)})"
        ]
    found = _milestone_problems("scheduler.milestones", milestones, epochs)
    if not found and milestones[-1] == epochs:
        found.append(
            f"scheduler.milestones: {epochs} is the last epoch, after which no schedule takes over; set it lower"
        )
    units = {part.every for part in parts if hasattr(part, "every")}
    if len(units) > 1:
        found.append('scheduler.schedulers: some have "every": "epoch" and others "step"; give all of them the same')
    return found


def with_one_highest_rate(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a config's JSON in which the highest rate of OneCycleLR is optimizer.lr, if it says one rate in all.

    So a config that gives max_lr alone, or twice the same rate, is the same as one that gives optimizer.lr alone.
    """
    optimizer, scheduler = raw.get("optimizer"), raw.get("scheduler")
    if not isinstance(optimizer, dict) or not isinstance(scheduler, dict) or scheduler.get("name") != "OneCycleLR":
        return raw
    highest: Any = scheduler.get("max_lr")
    is_rate = isinstance(highest, int | float) and not isinstance(highest, bool) and highest > 0
    if not is_rate or optimizer.get("lr", highest) != highest:
        return raw
    return {**raw, "optimizer": {**optimizer, "lr": highest}, "scheduler": {**scheduler, "max_lr": None}}
