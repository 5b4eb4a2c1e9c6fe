"""Ways to balance the tasks. A new one is a class here, one line in BALANCERS, and one section in config.balancing."""

from __future__ import annotations

from ...config.sections.balancing import Balancing
from .balancer import Balancer, GradientBalancer
from .gradnorm import GradNorm
from .jacobian import IMTLG, MGDA, AlignedMTL, CAGrad, NashMTL, PCGrad, UPGrad
from .loss_weights import DynamicWeights, FixedWeights, RandomLossWeights, UncertaintyWeights

BALANCERS: dict[str, type[Balancer]] = {
    "fixed": FixedWeights,
    "uncertainty": UncertaintyWeights,
    "dwa": DynamicWeights,
    "random": RandomLossWeights,
    "gradnorm": GradNorm,
    "upgrad": UPGrad,
    "pcgrad": PCGrad,
    "mgda": MGDA,
    "cagrad": CAGrad,
    "imtl_g": IMTLG,
    "aligned_mtl": AlignedMTL,
    "nash_mtl": NashMTL,
}

__all__ = ["BALANCERS", "Balancer", "GradientBalancer", "build_balancer"]


def build_balancer(config: Balancing, num_tasks: int, num_micro_batches: int, seed: int) -> Balancer:
    """Build the balancer of a config.

    Raises:
        UserError: a package that it needs is not installed.
    """
    return BALANCERS[config.name](config, num_tasks, num_micro_batches, seed)
