"""Sums of gradients over micro-batches, in an order that one process and two share."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


def halfway(num_here: int, num_processes: int) -> int | None:
    """The micro-batch of a step with which a second sum begins; None where one sum has the same order.

    With two micro-batches or fewer the order is the same anyway, and more processes add in their own order.
    """
    return num_here // 2 if num_processes == 1 and num_here >= 4 and num_here % 2 == 0 else None


class HalfwaySum:
    """On one process: sums the two halves of a step's micro-batches apart, as two processes would.

    Floating-point addition is not associative: ((a + b) + c) + d and (a + b) + (c + d) differ in their last
    bits. With this, a run on one process ends with the weights of a run on two, to the bit.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], num_here: int, num_processes: int) -> None:
        self.parameters = list(parameters)
        self.middle = halfway(num_here, num_processes)
        self._first: list[Tensor | None] = []

    def before(self, index: int) -> None:
        """Call before each micro-batch: at the second half the gradients so far are put aside."""
        if index == self.middle:
            for parameter in self.parameters:
                # A copy: the gradient may lie in memory that somebody else writes to, as DDP does to its buckets.
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
