"""Ways to weigh the tasks' losses against one another.

A new balancer is one function here, one line in BALANCERS, and one section in `config.sections`.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Balancer = Callable[[Tensor, Tensor], Tensor]


def fixed(losses: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum. losses [T], weights [T] -> scalar."""
    return (losses * weights).sum()


BALANCERS: dict[str, Balancer] = {"fixed": fixed}
