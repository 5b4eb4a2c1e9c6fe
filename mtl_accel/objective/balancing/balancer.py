"""Base classes of the balancers, which turn the losses of the tasks into one scalar to minimise."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from ...config.base import Section
from ...core import rng


class Balancer(nn.Module):
    """Weighs the tasks' losses against one another.

    The losses that arrive carry the weights of the config's tasks already. One object serves a whole run and is the
    same on every process. What it remembers between steps stands in buffers and what it learns in parameters, so
    that a checkpoint holds both.
    """

    adaptive: ClassVar[bool] = True  # whether its weights change, and so belong in the log
    weight_sum: Tensor  # float64 [T], over the steps of the epoch so far
    num_steps: Tensor

    def __init__(self, config: Section, num_tasks: int, num_micro_batches: int, seed: int) -> None:
        """`num_micro_batches` is that of a step, over all processes."""
        super().__init__()
        self.config, self.num_tasks, self.num_micro_batches, self.seed = config, num_tasks, num_micro_batches, seed
        if self.adaptive:
            self.register_buffer("weight_sum", torch.zeros(num_tasks, dtype=torch.float64))
            self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    def begin_step(self, epoch: int, step: int) -> None:
        """Call before the first micro-batch of a step."""
        self.key = rng.seed_of(self.seed, rng.BALANCE, epoch, step)

    @abstractmethod
    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        """Turn a micro-batch's share of the losses [T] into its share of the scalar that is minimised.

        present: bool [T], which tasks have a label in the step, and a weight in the config.
        """

    def end_step(self, losses: Tensor) -> None:
        """Call after a step, with its losses of all processes: float64 [T], without the config's weights.

        The loss of a task without a label in the step is 0.
        """

    def end_epoch(self) -> None:
        """Call after the epoch is in the log."""
        if self.adaptive:
            self.weight_sum.zero_()
            self.num_steps.zero_()

    def record_weights(self, weights: Tensor) -> None:
        """Add the weights [T] of a step to the mean in the log."""
        self.weight_sum += weights.detach().to(self.weight_sum)
        self.num_steps += 1

    def mean_weights(self) -> list[float]:
        """Mean weight of each task over the steps of the epoch; empty when the weights never change."""
        return (self.weight_sum / self.num_steps.clamp_min(1)).tolist() if self.adaptive else []


class GradientBalancer(Balancer):
    """Weighs the tasks' gradients of the shared parameters by their Gramian; each head follows its own task's loss.

    The Gramian is that of the whole step: of gradients summed over all micro-batches and processes before.
    `config.where` says which gradients: "shared" of all parameters of the backbone, exactly, at one more backward
    pass through it for each task but the first; "features" of the backbone's output, an approximation at the price
    of one more backward pass through the heads (and one more forward pass, when a process runs several
    micro-batches a step). Either waits for the device once a step, since the weights are found on the host.
    """

    def forward(self, losses: Tensor, present: Tensor) -> Tensor:
        return losses.sum()

    def weigh(self, gramian: Tensor, losses: Tensor) -> Tensor:
        """Return weights float64 [T] for the Gramian [T, T] and the losses [T] of a step, on the CPU.

        A task without a gradient in this step has no part in the method and gets weight 1. When gradients are no
        longer finite every weight is 1: the loss scaler skips that step, or the run is stopped.
        """
        gramian, losses = gramian.double(), losses.double()
        weights = torch.ones_like(losses)
        present = gramian.diagonal() > 0
        if gramian.isfinite().all() and present.any():
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.key)
                part = gramian[present][:, present]
                weights[present] = self.weigh_present(part, losses[present], present).to(weights)
        return weights

    @abstractmethod
    def weigh_present(self, gramian: Tensor, losses: Tensor, present: Tensor) -> Tensor:
        """Return weights [P] of the P tasks that have a gradient; `present` bool [T] says which they are."""
