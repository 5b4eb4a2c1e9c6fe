"""Losses of numbers. logits [B, C], target [B, C] -> [B, C]."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...config.losses import MSE, Huber
from .element import ElementLoss


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
