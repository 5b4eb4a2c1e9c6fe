"""Balancing by the Gramian of the tasks' gradients: TorchJD computes the weights, `training.step` the gradients.

The scale of each says how large its step is where tasks do not conflict: "sum" as the plain sum, "mean" 1/T of it,
which wants a learning rate T times as large.
"""

from __future__ import annotations

import functools
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...config.sections import balancing as sections
from ...config.sections.balancing import OnGradients
from ...core.errors import UserError, import_extra
from .balancer import GradientBalancer


class JacobianBalancer(GradientBalancer):
    """One of TorchJD's weightings, made anew for each number of tasks that have a gradient."""

    scale: ClassVar[str]
    weighting: Callable[[int], Any]

    def __init__(self, config: OnGradients, num_tasks: int, num_micro_batches: int, seed: int) -> None:
        """Raises: UserError when TorchJD, or a solver that it needs here, is not installed."""
        super().__init__(config, num_tasks, num_micro_batches, seed)
        self.torchjd = import_extra("balance", "torchjd.aggregation")[0]
        self.weighting = functools.cache(self.make)
        try:
            self.weighting(max(num_tasks, 2))
        except ImportError as error:
            raise UserError(
                f"balancing.name: {config.name!r} needs a solver that is missing ({error}); install it with: "
                "pip install 'mtl_accel[balance]'"
            ) from error

    @abstractmethod
    def make(self, num_tasks: int) -> torch.nn.Module:
        """Make TorchJD's module that turns a Gramian [T, T] into weights [T]."""

    def weigh_present(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        if len(gramian) == 1:  # nothing to balance; and the solvers want two
            return torch.ones(1)
        return self.solve(gramian)

    def solve(self, gramian: Tensor) -> Tensor:
        """Return weights [P] of at least two tasks for their Gramian [P, P]."""
        # The weights do not depend on a common scale of the gradients, but some of these methods take small ones for 0.
        return self.weighting(len(gramian))(gramian / gramian.diagonal().mean())


class UPGrad(JacobianBalancer):
    """Each gradient projected to where no task loses, then the mean of them (Quinton and Rey, 2024). Scale: mean."""

    scale = "mean"

    def make(self, num_tasks: int) -> torch.nn.Module:
        return self.torchjd.UPGradWeighting()


class PCGrad(JacobianBalancer):
    """Each gradient without its part against each other one, in a keyed order (Yu et al., 2020). Scale: sum."""

    scale = "sum"

    def make(self, num_tasks: int) -> torch.nn.Module:
        return self.torchjd.PCGradWeighting()


class MGDA(JacobianBalancer):
    """The shortest vector among the weighted means of the gradients (Sener and Koltun, 2018). Scale: at most mean."""

    scale = "mean"

    def make(self, num_tasks: int) -> torch.nn.Module:
        return self.torchjd.MGDAWeighting()


class CAGrad(JacobianBalancer):
    """Near the mean gradient, what helps the worst-off task most (Liu et al., 2021). Scale: mean, times 1 + c."""

    scale = "mean"
    config: sections.CAGrad

    def make(self, num_tasks: int) -> torch.nn.Module:
        return self.torchjd.CAGradWeighting(c=self.config.c)


class IMTLG(JacobianBalancer):
    """The weighted mean that has an equal projection on each gradient (Liu et al., 2021, "IMTL-G"). Scale: mean."""

    scale = "mean"

    def make(self, num_tasks: int) -> torch.nn.Module:
        return self.torchjd.IMTLGWeighting()


class AlignedMTL(JacobianBalancer):
    """Gradients made orthogonal, and as long as the shortest axis (Senushkin et al., 2023). Scale: mean, at most."""

    scale = "mean"

    def make(self, num_tasks: int) -> torch.nn.Module:
        return self.torchjd.AlignedMTLWeighting()


class NashMTL(JacobianBalancer):
    """The Nash bargaining solution among the tasks (Navon et al., 2022). Scale: its own, a norm of at most 1.

    The published code starts each solution from the last one. Here each step starts anew, so that resuming changes
    nothing; the solver has the same limit of rounds.
    """

    scale = "norm of at most 1"

    def make(self, num_tasks: int) -> torch.nn.Module:
        return self.torchjd.NashMTL(n_tasks=num_tasks)

    def solve(self, gramian: Tensor) -> Tensor:
        aggregator = self.weighting(len(gramian))
        aggregator.reset()
        # It wants gradients; any T vectors with this Gramian serve as well, such as the rows of its square root.
        values, vectors = torch.linalg.eigh(gramian)
        with warnings.catch_warnings():
            # The warning says that cvxpy compiles the problem at every step, which takes 0.1 s.
            warnings.filterwarnings("ignore", message="You are solving a parameterized problem that is not DPP")
            return aggregator.weighting(vectors * values.clamp_min(0).sqrt())
