"""Optimizers and schedules, under torch.optim's names and arguments, and when a run stops early."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..base import Section

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, lt=1)]


class _AdamKnobs(Section):
    lr: Positive = Field(1e-3, description="Learning rate.")
    betas: tuple[Share, Share] = Field((0.9, 0.999), description="Decay of the running mean and square.")
    eps: Positive = Field(1e-8, description="Added to the denominator.")
    amsgrad: bool = Field(False, description="Use the maximum of the running squares (Reddi et al., 2018).")


class Adam(_AdamKnobs):
    """Adam (Kingma and Ba, 2015)."""

    name: Literal["Adam"]
    weight_decay: NonNegative = Field(0.0, description="L2 penalty, added to the gradient.")


class AdamW(_AdamKnobs):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    name: Literal["AdamW"]
    weight_decay: NonNegative = Field(0.01, description="Decoupled weight decay.")


class SGD(Section):
    """Stochastic gradient descent."""

    name: Literal["SGD"]
    lr: Positive = Field(1e-3, description="Learning rate.")
    momentum: Share = Field(0.0, description="Momentum.")
    dampening: Share = Field(0.0, description="Dampening of the momentum.")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty, added to the gradient.")
    nesterov: bool = Field(False, description="Nesterov momentum; needs momentum above 0 and no dampening.")


Optimizer = Annotated[Adam | AdamW | SGD, Field(discriminator="name")]


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


class CosineAnnealingLR(Section):
    """Half a cosine from the learning rate down to eta_min (Loshchilov and Hutter, 2017)."""

    name: Literal["CosineAnnealingLR"]
    T_max: int | None = Field(None, gt=0, description="Epochs of the half wave; null: all epochs of the run.")
    eta_min: NonNegative = Field(0.0, description="Learning rate at the end.")
    every: Literal["epoch", "step"] = Field("epoch", description="How often the rate is lowered.")


class OneCycleLR(Section):
    """Up to max_lr and down again (Smith and Topin, 2018), by optimizer steps over the whole run."""

    name: Literal["OneCycleLR"]
    max_lr: Positive = Field(description="Highest learning rate; the optimizer's own lr is not used.")
    pct_start: Annotated[float, Field(gt=0, lt=1)] = Field(0.3, description="Share of the run that goes up.")
    div_factor: Positive = Field(25.0, description="max_lr divided by the first learning rate.")
    final_div_factor: Positive = Field(1e4, description="First learning rate divided by the last one.")


Scheduler = Annotated[StepLR | MultiStepLR | CosineAnnealingLR | OneCycleLR, Field(discriminator="name")]


class EarlyStopping(Section):
    """End the run when the value of select_by has not improved for some epochs; the best epoch is kept as always."""

    patience: int = Field(gt=0, description="Epochs without an improvement after which the run ends.")
    min_delta: NonNegative = Field(0.0, description="An improvement by no more than this counts as none.")


def optimizer_problems(optimizer: Adam | AdamW | SGD) -> list[str]:
    """Problems that the knobs of an optimizer have together."""
    if isinstance(optimizer, SGD) and optimizer.nesterov and (optimizer.momentum == 0 or optimizer.dampening):
        return [
            f"optimizer.nesterov: true needs momentum above 0 and dampening 0 "
            f"(got momentum {optimizer.momentum:g} and dampening {optimizer.dampening:g})"
        ]
    return []


def schedule_problems(
    scheduler: StepLR | MultiStepLR | CosineAnnealingLR | OneCycleLR | None, epochs: int, warmup_epochs: float
) -> list[str]:
    """Problems that schedule, warm-up and length of the run have together."""
    found: list[str] = []
    if isinstance(scheduler, MultiStepLR):
        late = [epoch for epoch in scheduler.milestones if epoch > epochs]
        if late:
            found.append(f"scheduler.milestones: {late} lie beyond the last epoch, {epochs}; drop them or train longer")
        if list(scheduler.milestones) != sorted(set(scheduler.milestones)):
            found.append(f"scheduler.milestones: {list(scheduler.milestones)} must rise")
    if isinstance(scheduler, OneCycleLR) and warmup_epochs:
        found.append(f"warmup_epochs: {warmup_epochs} with OneCycleLR, which has a warm-up of its own; set it to 0")
    if warmup_epochs > epochs:
        found.append(f"warmup_epochs: {warmup_epochs} is longer than the run of {epochs} epochs")
    return found
