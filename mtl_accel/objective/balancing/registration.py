"""Balancers that plugins register."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ...config.base import Section
from ...config.extension.parts import Table, require_subclass
from ...config.sections.balancing import OnGradients
from ...core.plugins.registrations import calling_module
from . import BALANCERS
from .balancer import Balancer, GradientBalancer

BalancerT = TypeVar("BalancerT", bound=type[Balancer])


def register_balancer(name: str, *, config: type[Section] | None = None) -> Callable[[BalancerT], BalancerT]:
    """Register the decorated class as the balancer `name`, for `balancing`.

    It is a subclass of `mtl_accel.Balancer`, for weights on losses, or of `mtl_accel.GradientBalancer`. What it
    remembers between steps is a buffer and what it learns a parameter, so that checkpoints hold both. What it draws is
    keyed by the step: torch's generator is seeded before `weigh_present`.

    Args:
        config: its section, a subclass of `mtl_accel.Section` with `name: Literal[NAME]` and its knobs; that of a
            gradient balancer is a subclass of `mtl_accel.OnGradients`. None: a balancer without knobs of its own.

    Raises:
        UserError: the name is taken, or the class or its section is wrong.
    """
    module = calling_module()

    def decorate(balancer: BalancerT) -> BalancerT:
        require_subclass("balancer", name, balancer, Balancer, module)
        base = OnGradients if issubclass(balancer, GradientBalancer) else Section
        Table("balancer", BALANCERS, base, ("balancing",)).register(name, balancer, config, module)
        return balancer

    return decorate
