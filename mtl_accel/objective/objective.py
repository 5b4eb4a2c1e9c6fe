"""Model, task losses and balancing in one module: the one thing that Accelerate wraps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..core.tasks import Task
from ..data.transforms.mixing import Mix
from ..models.base import Pair
from .balancing import Balancer
from .losses import ElementLoss


class Output(NamedTuple):
    """Losses and logits of one micro-batch.

    total: scalar, its share of the step's balanced loss.
    losses: [T], its share of each task's loss, detached.
    logits: [B, sum of the tasks' outputs], in the tasks' order, detached.
    weighted_losses: [T], with their graph, where each task's own gradient is wanted, else None.
    features: the backbone's output in float32, where gradients are balanced at it, else None.
    """

    total: Tensor
    losses: Tensor
    logits: Tensor
    weighted_losses: Tensor | None = None
    features: Tensor | None = None


class Objective(nn.Module):
    """Loss of a micro-batch, with the denominators of the whole step.

    A task's loss is the sum over labelled elements divided by their count over all micro-batches of the step,
    so that the shares of the micro-batches add up to the loss of the batch, however it was cut. Every head is
    always in the graph: a task without a label here has loss 0 and gradients of 0.
    """

    weights: Tensor
    gates: Tensor

    def __init__(
        self,
        model: Pair,
        tasks: Mapping[str, Task],
        losses: Mapping[str, ElementLoss],
        balancer: Balancer,
        *,
        by_task: bool = False,
        gated: bool = False,
    ) -> None:
        """`by_task`: return the weighted losses with their graph; `gated`: scale each task's gradient at the features
        by its gate, which is read when the gradient passes."""
        super().__init__()
        self.model, self.tasks, self.losses, self.balancer = model, tasks, losses, balancer
        self.by_task, self.gated = by_task, gated
        weights = torch.tensor([task.weight for task in tasks.values()], dtype=torch.float32)
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("gates", torch.ones_like(weights), persistent=False)

    def forward(
        self,
        images: Tensor,
        targets: Mapping[str, Tensor],
        masks: Mapping[str, Tensor],
        counts: Tensor,
        mix: Mix | None = None,
    ) -> Output:
        """images float [B, 3, H, W]; targets and masks [B] or [B, C] a task; counts float [T], 0 of a
        task without a label in the whole step.

        With a mix the images are mixed already, and so are the weights that the counts add up.
        """
        # In float32, or Accelerate would give out a copy in it, which the losses do not depend on.
        features = self.model.backbone(images).float() if self.gated else None
        logits = self.model(images) if features is None else self._through_gates(features)
        sums = [mixed_sum(self.losses[name], logits[name], targets[name], masks[name], mix) for name in self.tasks]
        losses = torch.stack(sums) / torch.where(counts > 0, counts, 1.0)  # a sum of 0 may be divided by anything
        flat = torch.cat([logits[name].detach().float() for name in self.tasks], dim=1)
        weighted = losses * self.weights
        total = self.balancer(weighted, (counts > 0) & (self.weights > 0))
        return Output(total, losses.detach(), flat, weighted if self.by_task else None, features)

    def _through_gates(self, features: Tensor) -> dict[str, Tensor]:
        """Logits of each task, whose gradient is scaled on its way from the head into the backbone."""
        heads = self.model.heads
        return {task: heads[task](_Gate.apply(features, self.gates, i)) for i, task in enumerate(self.tasks)}


class _Gate(torch.autograd.Function):
    """Pass the features on; backward, multiply their gradient by one of the gates, as it is by then."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, gates: Tensor, index: int) -> Tensor:
        ctx.gates, ctx.index = gates, index  # not saved for backward: it is meant to change in between
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return gradient * ctx.gates[ctx.index].to(gradient.dtype), None, None


def mixed_sum(loss: ElementLoss, logits: Tensor, target: Tensor, mask: Tensor, mix: Mix | None) -> Tensor:
    """Sum the loss of the samples' own labels, by their shares, and of their partners' labels, by the rest: scalar."""
    if mix is None:
        return masked_sum(loss, logits, target, mask)
    own = masked_sum(loss, logits, target, mask, mix.shares)
    return own + masked_sum(loss, logits, target[mix.partners], mask[mix.partners], 1 - mix.shares)


def masked_sum(
    loss: ElementLoss, logits: Tensor, target: Tensor, mask: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Sum a loss over the labelled elements, at least in float32: scalar. weights [B], of samples."""
    logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
    elements = loss(logits, target.to(logits.dtype) if target.is_floating_point() else target)
    elements = torch.where(mask, elements, 0.0)
    if weights is not None:
        elements = elements * weights.to(elements.dtype).view(-1, *(1,) * (elements.ndim - 1))
    return elements.sum()
