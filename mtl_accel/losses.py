"""Losses of one element each, [B] or [B, C]: the objective masks, sums and divides them.

A new loss is one function here, one line in LOSSES, and one section in `config.sections`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

ElementLoss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Softmax cross-entropy. logits [B, C], target int64 [B] -> [B]."""
    return F.cross_entropy(logits, target, reduction="none")


def bce(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of each label. logits [B, C], target [B, C] of 0 and 1 -> [B, C]."""
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def mse(logits: Tensor, target: Tensor) -> Tensor:
    """Squared error. logits [B, C], target [B, C] -> [B, C]."""
    return F.mse_loss(logits, target, reduction="none")


LOSSES: dict[str, ElementLoss] = {"cross_entropy": cross_entropy, "bce": bce, "mse": mse}
