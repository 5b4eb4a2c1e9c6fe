"""Gradients of each task by itself: summed over the micro-batches of a step, then over the processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ...core.dtypes import sum_dtype
from ...models.base import Pair

_CHUNK = 2**20  # elements of the gradients that are cast to float64 at once


class TaskGradients:
    """Gradients of the shared parameters by each task, and of each head by its own task.

    They take T + 1 times the memory of the backbone's gradient, and one backward pass through it for each task. They
    are summed over the processes before they are used: a nonlinear function of them, such as a projection, would differ
    if each process applied it to its own share.
    """

    def __init__(self, pair: Pair, tasks: Sequence[str], heads: bool) -> None:
        """Take the parameters that train now; `heads`: those of the heads as well."""
        self.shared = [p for p in pair.backbone.parameters() if p.requires_grad]
        self.heads = [[p for p in pair.heads[task].parameters() if p.requires_grad and heads] for task in tasks]
        self._sums: list[list[Tensor]] = []  # a list of one gradient a task; two of them where halves are summed apart

    def add(self, index: int, num_here: int, num_processes: int, losses: Tensor, keep_graph: bool) -> None:
        """Add the gradients of micro-batch `index` of `num_here` on this process; losses [T] with their graph."""
        if index in (0, halfway(num_here, num_processes)):
            self._sums.append([])
        sums = self._sums[-1]
        for task, (loss, head) in enumerate(zip(losses, self.heads, strict=True)):
            keep = keep_graph or task < len(self.heads) - 1
            gradient = _flat(
                torch.autograd.grad(loss, [*self.shared, *head], retain_graph=keep, materialize_grads=True)
            )
            if len(sums) <= task:
                sums.append(gradient)
            else:
                sums[task] += gradient

    def reduce(self, accelerator: Accelerator) -> list[Tensor]:
        """Return the gradient of each task over all processes, flat: of the shared parameters, then of its head."""
        first, *others = self._sums
        for other in others:
            for own, more in zip(first, other, strict=True):
                own += more
        summed = accelerator.reduce(torch.cat(first), reduction="sum")
        return list(summed.split([len(each) for each in first]))

    def shared_part(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """Return the part of each task's gradient that belongs to the shared parameters."""
        size = sum(p.numel() for p in self.shared)
        return [gradient[:size] for gradient in gradients]

    def write(self, gradients: Sequence[Tensor], weights: Sequence[float]) -> None:
        """Give the shared parameters the weighted sum of the tasks' gradients, and each head its own task's."""
        shared = self.shared_part(gradients)
        combined = shared[0] * weights[0]
        for gradient, weight in zip(shared[1:], weights[1:], strict=True):
            combined.add_(gradient, alpha=weight)
        _write(self.shared, combined)
        for head, gradient in zip(self.heads, gradients, strict=True):
            _write(head, gradient[len(combined) :])


def gramian(gradients: Sequence[Tensor]) -> Tensor:
    """Inner products of gradients [P] with one another: [T, T] in the dtype of sums."""
    # In float64 the result hardly depends on the order of summation, and no TensorFloat-32 rounds the products.
    device = gradients[0].device
    total = torch.zeros(len(gradients), len(gradients), dtype=sum_dtype(device), device=device)
    for parts in zip(*(gradient.split(_CHUNK) for gradient in gradients), strict=True):
        rows = torch.stack([part.to(total.dtype) for part in parts])
        total += rows @ rows.T
    return total


def _flat(gradients: Sequence[Tensor]) -> Tensor:
    return torch.cat([gradient.float().flatten() for gradient in gradients])


def _write(parameters: Sequence[nn.Parameter], flat: Tensor) -> None:
    for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        # With the strides of the parameter, which fused optimizers want.
        parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))


def halfway(num_here: int, num_processes: int) -> int | None:
    """Return the micro-batch that starts the second sum of a step; None where one sum adds in the same order.

    With two micro-batches or fewer the order is the same anyway, and several processes have an order of their own.
    """
    return num_here // 2 if num_processes == 1 and num_here >= 4 and num_here % 2 == 0 else None


class PairwiseGradientSum:
    """Sums the two halves of a step's micro-batches apart on one process, as two processes would.

    Floating-point addition is not associative: ((a + b) + c) + d and (a + b) + (c + d) differ in their last
    bits. With this, a run on one process ends with the weights of a run on two, to the bit.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], num_here: int, num_processes: int) -> None:
        self.parameters = list(parameters)
        self.middle = halfway(num_here, num_processes)
        self._first: list[Tensor | None] = []

    def start_micro_batch(self, index: int) -> None:
        """Call before each micro-batch: at the second half the gradients so far are put aside."""
        if index == self.middle:
            for parameter in self.parameters:
                # A copy, since something else may write to the gradient's memory, as DDP does to its buckets.
                self._first.append(None if parameter.grad is None else parameter.grad.clone())
                parameter.grad = None

    def finish(self) -> None:
        """Call after the last micro-batch: adds the two halves."""
        if not self._first:
            return
        for parameter, first in zip(self.parameters, self._first, strict=True):
            if parameter.grad is None:
                parameter.grad = first
            elif first is not None:
                parameter.grad += first
        self._first = []
