"""Losses of numbers. logits [B, C], target [B, C] -> [B, C], both standardised where the task is."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...config.sections.losses import MSE, Huber
from ...core.tasks import Scale
from .element import ClassWeights, ElementLoss


def mse(section: MSE) -> ElementLoss:
    """Squared error."""

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(logits, target, reduction="none")

    return elements


def huber(section: Huber) -> ElementLoss:
    """Half the squared error up to delta, and delta times the error less half of delta beyond."""

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(logits, target, reduction="none", delta=section.delta)

    return elements


def standardised(loss: ElementLoss, scale: Scale) -> ElementLoss:
    """Standardise targets before the loss; the network's outputs are standardised values already."""
    mean, std = ClassWeights(scale.mean), ClassWeights(scale.std)

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        values = target.log1p() if scale.log1p else target
        center, width = mean.like(logits), std.like(logits)
        assert center is not None and width is not None
        return loss(logits, (values - center) / width)

    return elements
