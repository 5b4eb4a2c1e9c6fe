"""GradNorm: weights that make the tasks train at similar rates."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...config.sections import balancing as sections
from .balancer import GradientBalancer

_MIN_WEIGHT = 1e-3  # a weight of 0 or below would never come back, or climb


class GradNorm(GradientBalancer):
    """Weights follow the gradient of GradNorm's own loss (Chen et al., 2018).

    A task that has come less far than the others, by its loss over its first loss, gets a larger gradient norm:
    the mean norm times its relative rate to the power `alpha`. Scale: that of the sum; the weights sum to T.
    Two things differ from the paper: the step on the weights is divided by the mean norm, so that `lr` does not
    depend on the model's scale, and the weights act on the shared parameters alone.
    """

    weights: Tensor
    first_losses: Tensor

    def __init__(self, config: sections.GradNorm, num_tasks: int, num_micro_batches: int, seed: int) -> None:
        super().__init__(config, num_tasks, num_micro_batches, seed)
        self.alpha, self.lr = config.alpha, config.lr
        self.register_buffer("weights", torch.ones(num_tasks, dtype=torch.float64))
        self.register_buffer("first_losses", torch.full((num_tasks,), math.nan, dtype=torch.float64))

    def weigh_present(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        """Return the present weights, and update them for the next step."""
        # In float64, which the buffers are not in on a device without it.
        before = self.weights.cpu().double().clone()
        first = self.first_losses.cpu().double().clone()
        first[present & first.isnan()] = losses[first[present].isnan()]
        norms = gramian.diagonal().sqrt()
        weighted = before[present] * norms
        progress = losses / first[present].clamp_min(1e-12)
        rate = progress / progress.mean().clamp_min(1e-12)
        target = weighted.mean() * rate**self.alpha
        after = before.clone()
        after[present] -= self.lr * torch.sign(weighted - target) * norms / norms.mean()
        after.clamp_(min=_MIN_WEIGHT)
        self.weights.copy_((after * (self.num_tasks / after.sum())).to(self.weights.dtype))
        self.first_losses.copy_(first.to(self.first_losses.dtype))
        return before[present]
