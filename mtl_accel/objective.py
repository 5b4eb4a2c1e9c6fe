"""Model, task losses and balancing in one module: the one thing that Accelerate wraps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .balancing import Balancer
from .losses import ElementLoss
from .tasks import Task


class Output(NamedTuple):
    """What one micro-batch gives.

    total: scalar, its share of the step's balanced loss.
    losses: [T], its share of each task's loss, detached.
    logits: [B, sum of the tasks' outputs], in the tasks' order, detached.
    """

    total: Tensor
    losses: Tensor
    logits: Tensor


class Objective(nn.Module):
    """The loss of a micro-batch, with the denominators of the whole step.

    A task's loss is the sum over labelled elements divided by their count over all micro-batches of the step,
    so that the shares of the micro-batches add up to the loss of the batch, however it was cut. Every head is
    always in the graph: a task without a label here has loss 0 and gradients of 0.
    """

    weights: Tensor

    def __init__(
        self, model: nn.Module, tasks: Mapping[str, Task], losses: Mapping[str, ElementLoss], balancer: Balancer
    ) -> None:
        super().__init__()
        self.model, self.tasks, self.losses, self.balancer = model, tasks, losses, balancer
        weights = torch.tensor([task.weight for task in tasks.values()], dtype=torch.float32)
        self.register_buffer("weights", weights, persistent=False)

    def forward(
        self, images: Tensor, targets: Mapping[str, Tensor], masks: Mapping[str, Tensor], counts: Tensor
    ) -> Output:
        """images float [B, 3, H, W]; targets and masks [B] or [B, C] a task; counts float [T], at least 1 each."""
        logits = self.model(images)
        sums = [masked_sum(self.losses[name], logits[name], targets[name], masks[name]) for name in self.tasks]
        losses = torch.stack(sums) / counts
        flat = torch.cat([logits[name].detach().float() for name in self.tasks], dim=1)
        return Output(self.balancer(losses, self.weights), losses.detach(), flat)


def masked_sum(loss: ElementLoss, logits: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The sum of a loss over the labelled elements, at least in float32: scalar."""
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    elements = loss(logits, target.to(logits.dtype) if target.is_floating_point() else target)
    return torch.where(mask, elements, 0.0).sum()


def split_logits(flat: Tensor, tasks: Mapping[str, Task]) -> dict[str, Tensor]:
    """[N, sum of outputs] -> one [N, C] a task."""
    parts = flat.split([task.num_outputs for task in tasks.values()], dim=1)
    return dict(zip(tasks, parts, strict=True))
