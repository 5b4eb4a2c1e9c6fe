"""Schedules of the learning rate, by torch's own names, with a linear warm-up."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import lr_scheduler

from ...config.sections.optimization import CosineAnnealingLR, OneCycleLR, Scheduler
from ...core.errors import UserError


def _one_cycle(optimizer: torch.optim.Optimizer, config: OneCycleLR, num_steps: int) -> lr_scheduler.OneCycleLR:
    """Raises: UserError where the rate would have to rise within the first step, where torch divides by 0."""
    total_steps = num_steps + 1  # the last step of the run still has a rate after it
    if config.pct_start * total_steps == 1:
        raise UserError(
            f"scheduler.pct_start: {config.pct_start:g} of a run of {num_steps} steps leaves OneCycleLR no step to "
            "rise in; set it a little higher or lower"
        )
    knobs = config.model_dump(exclude={"name"})
    return lr_scheduler.OneCycleLR(optimizer, **knobs, total_steps=total_steps, cycle_momentum=False)


class Schedule:
    """Learning rate over the run: torch's scheduler times a linear warm-up by steps.

    Accelerate does not wrap it, since it would step it once a process. The schedule sets the rate of the first group of
    parameters; the rates of all others keep their ratio to it.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        config: Scheduler | None,
        epochs: int,
        steps_per_epoch: int,
        warmup_epochs: float = 0.0,
    ) -> None:
        self.optimizer = optimizer
        self._ratios = [group["lr"] / optimizer.param_groups[0]["lr"] for group in optimizer.param_groups]
        self._every_step: list[lr_scheduler.LRScheduler] = []
        self._every_epoch: list[lr_scheduler.LRScheduler] = []
        if isinstance(config, OneCycleLR):
            self._every_step.append(_one_cycle(optimizer, config, epochs * steps_per_epoch))
        elif config is not None:
            knobs, parts = config.model_dump(exclude={"name", "every"}), self._every_epoch
            if isinstance(config, CosineAnnealingLR):
                knobs["T_max"] = config.T_max or epochs
                if config.every == "step":
                    knobs["T_max"], parts = knobs["T_max"] * steps_per_epoch, self._every_step
            parts.append(getattr(lr_scheduler, config.name)(optimizer, **knobs))
        self._warmup_steps = round(warmup_epochs * steps_per_epoch)
        self._warmup: list[lr_scheduler.LRScheduler] = []
        if self._warmup_steps:
            first = 1 / (self._warmup_steps + 1)
            self._warmup.append(lr_scheduler.LinearLR(optimizer, first, total_iters=self._warmup_steps))
        self._keep_ratios()

    @property
    def lr(self) -> float:
        """Learning rate of the heads in the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def parts(self) -> list[lr_scheduler.LRScheduler]:
        return [*self._every_epoch, *self._every_step, *self._warmup]

    @property
    def _warmup_factor(self) -> float:
        """Factor of the warm-up on the rate of the next step; 1 once it is over."""
        if not self._warmup:
            return 1.0
        return min(self._warmup[-1].last_epoch + 1, self._warmup_steps + 1) / (self._warmup_steps + 1)

    def _scale(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def _keep_ratios(self) -> None:
        first, *others = self.optimizer.param_groups
        for group, ratio in zip(others, self._ratios[1:], strict=True):
            group["lr"] = first["lr"] * ratio

    def after_step(self) -> None:
        self._step(self._every_step)
        for warmup in self._warmup:
            warmup.step()
        self._keep_ratios()

    def after_epoch(self) -> None:
        self._step(self._every_epoch)
        self._keep_ratios()

    def _step(self, schedulers: Sequence[lr_scheduler.LRScheduler]) -> None:
        # torch's schedulers compute the next rate from the present one, and the warm-up must not scale the cosine's
        # floor: so they see the rate without the warm-up.
        factor = self._warmup_factor
        for scheduler in schedulers:
            self._scale(1 / factor)
            scheduler.step()
            self._scale(factor)

    def replay(self, epochs: int, steps: int, steps_per_epoch: int) -> None:
        """Step from the start to the rate after so many epochs, and steps of the next one."""
        with warnings.catch_warnings():
            # The optimizer has stepped, though not in this process.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
            for _ in range(epochs):
                for _ in range(steps_per_epoch):
                    self.after_step()
                self.after_epoch()
            for _ in range(steps):
                self.after_step()

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, fit for JSON."""
        keep = ("last_epoch", "_step_count", "_last_lr", "base_lrs")
        return {"parts": [{key: getattr(part, key) for key in keep} for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, values in zip(self.parts, state["parts"], strict=True):
            for key, value in values.items():
                setattr(part, key, value)
