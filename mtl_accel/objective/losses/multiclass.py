"""Losses of one class an image. logits [B, C], target int64 [B] -> [B].

With class weights the sum is still divided by the number of labelled samples, while torch divides by the sum of their
weights. So a step with samples of a rare class counts for more, and each sample of a class always counts the same.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...config.sections.losses import CrossEntropy, Focal
from .element import ClassWeights, ElementLoss


def cross_entropy(section: CrossEntropy) -> ElementLoss:
    """Softmax cross-entropy, with label smoothing and class weights as torch has them."""
    weights, smoothing = ClassWeights(section.class_weights), section.label_smoothing

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        weight = weights.like(logits)
        return F.cross_entropy(logits, target, weight=weight, reduction="none", label_smoothing=smoothing)

    return elements


def focal(section: Focal) -> ElementLoss:
    """Cross-entropy times (1 - p)^gamma (Lin et al., 2017), where p is the probability of the true class.

    1 - p is the sum over the other classes, in logarithms: so a gamma below 1 has a finite gradient at p = 1.
    """
    weights, gamma = ClassWeights(section.class_weights), section.gamma

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        log_p = F.log_softmax(logits, dim=1)
        log_others = log_p.scatter(1, target.unsqueeze(1), torch.finfo(log_p.dtype).min).logsumexp(dim=1)
        loss = F.nll_loss(log_p, target, weight=weights.like(logits), reduction="none")
        return torch.exp(gamma * log_others) * loss

    return elements
