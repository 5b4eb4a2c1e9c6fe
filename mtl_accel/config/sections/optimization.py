"""Optimizers, under the names and arguments of torch.optim and timm.optim, and when a run stops early."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..base import Section
from .optimizer_names import TimmOptimizer, TorchOptimizer

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


Optimizer = Annotated[Adam | AdamW | SGD | TorchOptimizer | TimmOptimizer, Field(discriminator="name")]


class EarlyStopping(Section):
    """End the run when the value of select_by has not improved for some epochs; the best epoch is kept as always."""

    patience: int = Field(gt=0, description="Epochs without an improvement after which the run ends.")
    min_delta: NonNegative = Field(0.0, description="An improvement by no more than this counts as none.")


def optimizer_problems(optimizer: Optimizer) -> list[str]:
    """Problems that the knobs of an optimizer have together."""
    if isinstance(optimizer, SGD) and optimizer.nesterov and (optimizer.momentum == 0 or optimizer.dampening):
        return [
            f"optimizer.nesterov: true needs momentum above 0 and dampening 0 "
            f"(got momentum {optimizer.momentum:g} and dampening {optimizer.dampening:g})"
        ]
    return []
