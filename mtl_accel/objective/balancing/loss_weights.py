"""Balancing by a weight on each task's loss: no more work a step than the plain sum."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ...config.sections.balancing import DWA, Fixed, RandomWeights, Uncertainty
from ...core import rng
from .balancer import Balancer


class FixedWeights(Balancer):
    """Sum of the losses with the config's weights. Careful fixed weights are hard to beat (Xin et al., 2022)."""

    adaptive = False

    def __init__(self, config: Fixed, num_tasks: int, num_micro_batches: int, seed: int) -> None:
        super().__init__(config, num_tasks, num_micro_batches, seed)

    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        return losses.sum()


class UncertaintyWeights(Balancer):
    """Learnt log-variances s: the sum of exp(-s) L / 2 + s / 2 (Kendall, Gal and Cipolla, 2018).

    Scale: half of the sum at the start, when every s is 0. A task that has no loss in a step has no s / 2 in it
    either, which would make its s fall without end.
    """

    def __init__(self, config: Uncertainty, num_tasks: int, num_micro_batches: int, seed: int) -> None:
        super().__init__(config, num_tasks, num_micro_batches, seed)
        self.log_variances = nn.Parameter(torch.zeros(num_tasks))

    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        # The second term belongs to the step, so each of its micro-batches has a share of it.
        regulariser = torch.where(present, self.log_variances, 0.0) / self.num_micro_batches
        return (torch.exp(-self.log_variances) * losses + regulariser).sum() / 2

    def end_step(self, losses: Tensor) -> None:
        self.record_weights(torch.exp(-self.log_variances) / 2)


class DynamicWeights(Balancer):
    """Dynamic weight average: more weight for the task whose loss fell least (Liu, Johns and Davison, 2019).

    The weight of task i is T times softmax(r / temperature), where r_i is its mean loss over the last epoch
    divided by that over the epoch before. Scale: that of the sum; every weight is 1 in the first two epochs.
    """

    weights: Tensor
    loss_sum: Tensor
    num_labelled: Tensor  # float64 [T], steps with a label of the task
    before: Tensor

    def __init__(self, config: DWA, num_tasks: int, num_micro_batches: int, seed: int) -> None:
        super().__init__(config, num_tasks, num_micro_batches, seed)
        self.temperature = config.temperature
        self.register_buffer("weights", torch.ones(num_tasks))
        self.register_buffer("loss_sum", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("num_labelled", torch.zeros(num_tasks, dtype=torch.float64))
        self.register_buffer("before", torch.full((num_tasks,), math.nan, dtype=torch.float64))

    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        return (self.weights * losses).sum()

    def end_step(self, losses: Tensor) -> None:
        self.loss_sum += losses
        self.num_labelled += losses != 0
        self.record_weights(self.weights)

    def end_epoch(self) -> None:
        has_labels = self.num_labelled > 0
        mean = self.loss_sum / self.num_labelled.clamp_min(1)
        # 1 for a task without a loss, and in the first epoch, where `before` is NaN.
        ratio = torch.where(has_labels & (self.before > 0), mean / self.before, 1.0)
        self.weights.copy_(self.num_tasks * torch.softmax(ratio / self.temperature, dim=0))
        self.before.copy_(torch.where(has_labels, mean, self.before))
        self.loss_sum.zero_()
        self.num_labelled.zero_()
        super().end_epoch()


class RandomLossWeights(Balancer):
    """Weights drawn anew each step: T times the softmax of normal numbers (Lin et al., 2022).

    They are keyed by the step, so that every process and every restart draws the same. Scale: that of the sum.
    """

    weights: Tensor

    def __init__(self, config: RandomWeights, num_tasks: int, num_micro_batches: int, seed: int) -> None:
        super().__init__(config, num_tasks, num_micro_batches, seed)
        self.register_buffer("weights", torch.ones(num_tasks), persistent=False)

    def begin_step(self, epoch: int, step: int) -> None:
        # Two uniform numbers make a normal one (Box and Muller, 1958).
        uniforms = rng.uniforms(2, self.seed, rng.BALANCE, epoch, step, np.arange(self.num_tasks))
        normals = np.sqrt(-2 * np.log1p(-uniforms[:, 0])) * np.cos(2 * math.pi * uniforms[:, 1])
        drawn = self.num_tasks * torch.softmax(torch.from_numpy(normals), dim=0)
        self.weights.copy_(drawn.to(self.weights.dtype), non_blocking=True)

    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        return (self.weights * losses).sum()

    def end_step(self, losses: Tensor) -> None:
        self.record_weights(self.weights)
