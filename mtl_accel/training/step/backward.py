"""Backward passes of a step: of one scalar, or of each task where their gradients are balanced.

`training.engine.forward_backward` calls them in this order, once a step but for the two in the middle:
`begin_step`; `measure` for each micro-batch, where `measures_first` says so; `micro_batch` for each; `finish`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor

from ...config import Config
from ...core.dtypes import sum_dtype
from ...objective.balancing import GradientBalancer
from ...objective.objective import Objective, Output
from ...runs.log import RunLog
from .conflict_meter import ConflictMeter
from .task_gradients import PairwiseGradientSum, TaskGradients, gramian


class Backward:
    """One backward pass a micro-batch, of the balanced loss; DDP sums over the processes with the last one."""

    ddp_sums: ClassVar[bool] = True  # whether DDP sums the gradients over the processes

    def __init__(
        self, objective: Objective, accelerator: Accelerator, num_here: int, meter: ConflictMeter | None
    ) -> None:
        """`objective`: not wrapped; `num_here`: micro-batches that this process runs in each step."""
        self.objective, self.accelerator, self.num_here, self.meter = objective, accelerator, num_here, meter
        self.gradient_sum = PairwiseGradientSum(objective.parameters(), num_here, accelerator.num_processes)

    @property
    def measures_first(self) -> bool:
        """Whether all micro-batches of the step are measured before the first backward pass."""
        return False

    def begin_step(self, epoch: int, step: int) -> None:
        """Call before the first micro-batch of a step."""
        if self.meter is not None:
            self.meter.begin_step(epoch, step)

    def measure(self, output: Output) -> None:
        """Measure a micro-batch, which the step will run again with its backward pass; called if `measures_first`."""

    def micro_batch(self, index: int, output: Output) -> None:
        """Add the gradients of micro-batch `index` of this process."""
        if self.meter is not None:
            assert output.weighted_losses is not None
            self.meter.add(index, self.num_here, output.weighted_losses)
        self._add_gradients(index, output)

    def finish(self) -> None:
        """Call after the last micro-batch: leaves the gradients of the step in the parameters, over all processes."""
        self.gradient_sum.finish()
        if self.meter is not None:
            self.meter.finish()

    def _add_gradients(self, index: int, output: Output) -> None:
        self.gradient_sum.start_micro_batch(index)
        # DDP averages over the processes, and a sum is wanted.
        self.accelerator.backward(output.total * self.accelerator.num_processes)


class GradientBackward(Backward):
    """Base of both ways of balancing gradients: the same weights of the tasks on all processes."""

    def begin_step(self, epoch: int, step: int) -> None:
        super().begin_step(epoch, step)
        weights = self.objective.weights
        self.losses = torch.zeros_like(weights, dtype=sum_dtype(weights.device))

    def _scaled(self, losses: Tensor) -> Tensor:
        """Scale the losses for fp16, so that their gradients do not vanish."""
        return losses if self.accelerator.scaler is None else self.accelerator.scaler.scale(losses)

    def _weigh(self, products: Tensor, losses: Tensor) -> Tensor:
        """Return weights [T] for the Gramian of the scaled gradients and the losses [T], of all processes."""
        balancer = self.objective.balancer
        assert isinstance(balancer, GradientBalancer)
        if self.accelerator.scaler is not None:
            products = products / self.accelerator.scaler.get_scale() ** 2
        if self.meter is not None:
            self.meter.write(products)
        weights = balancer.weigh(products.cpu(), losses.cpu()).to(losses)
        # Processors may differ in a last bit, and the parameters of all processes must not.
        weights = broadcast(weights, from_process=0)
        balancer.record_weights(weights)
        return weights


class SharedBackward(GradientBackward):
    """One backward pass a task; the gradients are summed over the processes, then weighted."""

    ddp_sums = False

    def begin_step(self, epoch: int, step: int) -> None:
        super().begin_step(epoch, step)
        self.gradients = TaskGradients(self.objective.model, list(self.objective.tasks), heads=True)

    def micro_batch(self, index: int, output: Output) -> None:
        assert output.weighted_losses is not None
        losses = self._scaled(output.weighted_losses)
        self.gradients.add(index, self.num_here, self.accelerator.num_processes, losses, keep_graph=False)
        self.losses += output.losses

    def finish(self) -> None:
        gradients = self.gradients.reduce(self.accelerator)
        losses = self.accelerator.reduce(self.losses, reduction="sum")
        weights = self._weigh(gramian(self.gradients.shared_part(gradients)), losses)
        self.gradients.write(gradients, weights.tolist())


class FeatureBackward(GradientBackward):
    """Weights by the gradients at the features, which need no pass through the backbone; then one backward pass.

    The Gramian is that of the whole step, so with several micro-batches on this process a first round measures all
    of them, and a second one, from the same random numbers, trains.
    """

    @property
    def measures_first(self) -> bool:
        return self.num_here > 1

    def begin_step(self, epoch: int, step: int) -> None:
        super().begin_step(epoch, step)
        num_tasks = len(self.objective.tasks)
        self.products = self.losses.new_zeros(num_tasks, num_tasks)

    def measure(self, output: Output) -> None:
        assert output.weighted_losses is not None and output.features is not None
        self.objective.gates.fill_(1)
        self.losses += output.losses
        if not output.features.requires_grad:  # a frozen backbone has no gradient to share
            return
        rows = [
            torch.autograd.grad(loss, output.features, retain_graph=True)[0].flatten()
            for loss in self._scaled(output.weighted_losses)
        ]
        self.products += gramian(rows)

    def micro_batch(self, index: int, output: Output) -> None:
        if not self.measures_first:
            self.measure(output)
        if index == 0:
            self._set_gates()
        self._add_gradients(index, output)

    def finish(self) -> None:
        self.gradient_sum.finish()

    def _set_gates(self) -> None:
        """Give each task its weight, where its gradient passes from the head into the backbone."""
        both = torch.cat([self.products.flatten(), self.losses])
        products, losses = self.accelerator.reduce(both, reduction="sum").split(
            [self.products.numel(), len(self.losses)]
        )
        self.objective.gates.copy_(self._weigh(products.view_as(self.products), losses))


KINDS: dict[str | None, type[Backward]] = {None: Backward, "shared": SharedBackward, "features": FeatureBackward}


def build_backward(
    config: Config, objective: Objective, accelerator: Accelerator, num_micro_batches: int, log: RunLog
) -> Backward:
    """Build the backward passes that a config's balancing needs; `num_micro_batches` is that of a step."""
    every, tasks = config.conflict_every_steps, list(objective.tasks)
    meter = ConflictMeter(every, objective.model, tasks, accelerator, log) if every else None
    num_here = num_micro_batches // accelerator.num_processes
    return KINDS[getattr(config.balancing, "where", None)](objective, accelerator, num_here, meter)
