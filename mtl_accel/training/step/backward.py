"""The backward passes of a step: of one scalar, or of each task where their gradients are balanced."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from ...config import Config
from ...objective.balancing import Balancer, GradientBalancer
from ...objective.objective import Objective, Output
from ...runs.log import RunLog
from .conflict_meter import ConflictMeter
from .task_gradients import PairwiseGradientSum, TaskGradients, gramian

Forward = Callable[[int], Output]  # runs the micro-batch of that number on this process


class Backward:
    """One backward pass a micro-batch, of the balanced loss; DDP adds up over the processes with the last one."""

    def __init__(
        self,
        wrapped: nn.Module,
        objective: Objective,
        accelerator: Accelerator,
        halves: PairwiseGradientSum,
        meter: ConflictMeter | None,
    ) -> None:
        """`objective` is the one inside of `wrapped`."""
        self.wrapped, self.objective, self.accelerator = wrapped, objective, accelerator
        self.halves, self.meter = halves, meter
        self.balancer: Balancer = objective.balancer

    def begin_step(self, epoch: int, step: int) -> None:
        self.balancer.begin_step(epoch, step)
        if self.meter is not None:
            self.meter.begin_step(epoch, step)

    def micro_batches(self, num_here: int, forward: Forward) -> Iterator[Output]:
        """Forward and backward for each micro-batch of this process; its output comes after both."""
        for index in range(num_here):
            with self._sums(last=index == num_here - 1):
                output = forward(index)
                if self.meter is not None:
                    assert output.parts is not None
                    self.meter.add(index, num_here, output.parts)
                self._descend(index, output)
            yield output

    def finish(self) -> None:
        """After the last micro-batch: the gradients of the step are there."""
        self.halves.finish()
        if self.meter is not None:
            self.meter.finish()

    def end_step(self, losses: Tensor) -> None:
        """losses float64 [T]: those of the step over all processes."""
        self.balancer.end_step(losses)

    def end_epoch(self) -> None:
        self.balancer.end_epoch()

    def described(self) -> dict[str, Any]:
        """For the epoch's row in the log: the tasks' mean weights, where they change."""
        weights = self.balancer.mean_weights()
        return {"task_weights": dict(zip(self.objective.tasks, weights, strict=True))} if weights else {}

    def _sums(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if last else self.accelerator.no_sync(self.wrapped)

    def _descend(self, index: int, output: Output) -> None:
        self.halves.start_micro_batch(index)
        # DDP averages over the processes, and a sum is wanted.
        self.accelerator.backward(output.total * self.accelerator.num_processes)


class GradientBackward(Backward):
    """What both ways of balancing gradients share: one set of weights for all processes."""

    balancer: GradientBalancer

    def _scaled(self, parts: Tensor) -> Tensor:
        """The losses as fp16 needs them: too large for their gradients to vanish."""
        return parts if self.accelerator.scaler is None else self.accelerator.scaler.scale(parts)

    def _weigh(self, products: Tensor, losses: Tensor) -> Tensor:
        """Weights float64 [T] from the Gramian of the scaled gradients, and the losses [T], of all processes."""
        if self.accelerator.scaler is not None:
            products = products / self.accelerator.scaler.get_scale() ** 2
        if self.meter is not None:
            self.meter.write(products)
        weights = self.balancer.weigh(products.cpu(), losses.double().cpu()).to(losses.device)
        # Processors may differ in a last bit, and the parameters of all processes must not.
        weights = broadcast(weights, from_process=0)
        self.balancer.note(weights)
        return weights


class SharedBackward(GradientBackward):
    """A backward pass for each task; their gradients are summed over the processes, weighed, and written."""

    def micro_batches(self, num_here: int, forward: Forward) -> Iterator[Output]:
        self.gradients = TaskGradients(self.objective.model, list(self.objective.tasks), heads=True)
        self.losses = torch.zeros_like(self.objective.weights, dtype=torch.float64)
        for index in range(num_here):
            with self.accelerator.no_sync(self.wrapped):  # DDP has nothing to sum: these gradients pass it by
                output = forward(index)
            assert output.parts is not None
            parts = self._scaled(output.parts)
            self.gradients.add(index, num_here, self.accelerator.num_processes, parts, keep_graph=False)
            self.losses += output.losses
            yield output

    def finish(self) -> None:
        gradients = self.gradients.reduce(self.accelerator)
        losses = self.accelerator.reduce(self.losses, reduction="sum")
        weights = self._weigh(gramian(self.gradients.shared_of(gradients)), losses)
        self.gradients.write(gradients, weights.tolist())


class FeatureBackward(GradientBackward):
    """Weighs by the gradients at the features, which need no pass through the backbone; then one backward pass.

    The Gramian is that of the whole step, so with several micro-batches on this process a first round measures all
    of them, and a second one, from the same random numbers, trains.
    """

    def micro_batches(self, num_here: int, forward: Forward) -> Iterator[Output]:
        num_tasks = len(self.objective.tasks)
        self.products = torch.zeros(num_tasks, num_tasks, dtype=torch.float64, device=self.objective.weights.device)
        self.losses = torch.zeros_like(self.objective.weights, dtype=torch.float64)
        if num_here > 1:
            for index in range(num_here):
                with self.accelerator.no_sync(self.wrapped):
                    self._measure(forward(index))
            self._set_gates()
        for index in range(num_here):
            with self._sums(last=index == num_here - 1):
                output = forward(index)
                if num_here == 1:
                    self._measure(output)
                    self._set_gates()
                self._descend(index, output)
            yield output

    def finish(self) -> None:
        self.halves.finish()

    def _measure(self, output: Output) -> None:
        assert output.parts is not None and output.features is not None
        self.objective.gates.fill_(1)
        self.losses += output.losses
        if not output.features.requires_grad:  # a frozen backbone has no gradient to share
            return
        rows = [
            torch.autograd.grad(part, output.features, retain_graph=True)[0].flatten()
            for part in self._scaled(output.parts)
        ]
        self.products += gramian(rows)

    def _set_gates(self) -> None:
        both = torch.cat([self.products.flatten(), self.losses])
        products, losses = self.accelerator.reduce(both, reduction="sum").split(
            [self.products.numel(), len(self.losses)]
        )
        self.objective.gates.copy_(self._weigh(products.view_as(self.products), losses))


KINDS: dict[str | None, type[Backward]] = {None: Backward, "shared": SharedBackward, "features": FeatureBackward}


def build(
    config: Config,
    wrapped: nn.Module,
    objective: Objective,
    accelerator: Accelerator,
    num_micro_batches: int,
    log: RunLog,
) -> Backward:
    """The backward passes that a config's balancing asks for; `num_micro_batches` is that of a step."""
    every, tasks = config.conflict_every_steps, list(objective.tasks)
    meter = ConflictMeter(every, objective.model, tasks, accelerator, log) if every else None
    halves = PairwiseGradientSum(objective.parameters(), num_micro_batches, accelerator.num_processes)
    return KINDS[getattr(config.balancing, "where", None)](wrapped, objective, accelerator, halves, meter)
