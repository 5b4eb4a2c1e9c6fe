"""Losses of independent labels. logits [B, C], target [B, C] of 0 and 1 -> [B, C]."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...config.sections.losses import BCE, Asymmetric, SigmoidFocal
from .element import ClassWeights, ElementLoss

_EPS = 1e-8  # of ASL's published code: the smallest probability in a logarithm


def bce(section: BCE) -> ElementLoss:
    """Binary cross-entropy. The sum is divided by the number of labelled elements, whatever `pos_weight` is."""
    weights = ClassWeights(section.pos_weight)

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        pos_weight = weights.like(logits)
        return F.binary_cross_entropy_with_logits(logits, target, pos_weight=pos_weight, reduction="none")

    return elements


def sigmoid_focal(section: SigmoidFocal) -> ElementLoss:
    """Binary cross-entropy times (1 - p)^gamma (Lin et al., 2017), where p is the probability of the true value.

    The same values as `torchvision.ops.sigmoid_focal_loss`, whose gradient for a gamma below 1 is NaN where p rounds
    to 1.
    """
    alpha, gamma = section.alpha, section.gamma

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        true_logits = logits * (2 * target - 1)
        loss = torch.exp(-gamma * F.softplus(true_logits)) * F.softplus(-true_logits)
        return loss if alpha is None else loss * (alpha * target + (1 - alpha) * (1 - target))

    return elements


def asymmetric(section: Asymmetric) -> ElementLoss:
    """ASL (Ridnik et al., 2021): -(1 - p)^gamma log p, where a negative's p is 1 - sigmoid + clip, and at most 1.

    As in the published code, log p is that of at least 1e-8, and so a logit beyond 18 on the wrong side has no
    gradient. The weight (1 - p)^gamma carries gradient, as in the paper's formula; the published code has a switch
    that takes it for a constant.
    """
    gamma_neg, gamma_pos, clip = section.gamma_neg, section.gamma_pos, section.clip

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        negative = (torch.sigmoid(-logits) + clip).clamp(max=1)
        p = torch.where(target == 1, torch.sigmoid(logits), negative)
        gamma = gamma_pos * target + gamma_neg * (1 - target)
        # Clamped too: a gamma below 1 has no finite gradient at p = 1.
        return -((1 - p).clamp(min=_EPS) ** gamma) * p.clamp(min=_EPS).log()

    return elements
