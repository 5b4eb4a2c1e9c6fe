"""Optimizers and schedules, by torch's own names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch.optim import lr_scheduler

from .config.optimization import OneCycleLR, Optimizer, Scheduler

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
}


def build_optimizer(config: Optimizer, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer, in its fused form: one kernel for all parameters, many times faster on large models."""
    return OPTIMIZERS[config.name](parameters, **config.model_dump(exclude={"name"}), fused=True)


class Schedule:
    """The learning rate over the run: torch's scheduler, and a linear warm-up by steps before it.

    It is not handed to Accelerate, which would step it once a process. Both parts use their recursive form,
    so that they multiply: torch's documentation calls this chaining.
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
        self._every_step: list[lr_scheduler.LRScheduler] = []
        self._every_epoch: list[lr_scheduler.LRScheduler] = []
        if isinstance(config, OneCycleLR):
            self._every_step.append(
                lr_scheduler.OneCycleLR(
                    optimizer,
                    **config.model_dump(exclude={"name"}),
                    total_steps=epochs * steps_per_epoch + 1,  # the last step of the run still has a rate after it
                    cycle_momentum=False,
                )
            )
        elif config is not None:
            knobs = config.model_dump(exclude={"name"})
            if config.name == "CosineAnnealingLR":
                knobs["T_max"] = config.T_max or epochs
            self._every_epoch.append(getattr(lr_scheduler, config.name)(optimizer, **knobs))
        warmup_steps = round(warmup_epochs * steps_per_epoch)
        if warmup_steps:
            first = 1 / (warmup_steps + 1)
            self._every_step.append(lr_scheduler.LinearLR(optimizer, start_factor=first, total_iters=warmup_steps))

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def parts(self) -> list[lr_scheduler.LRScheduler]:
        return [*self._every_epoch, *self._every_step]

    def after_step(self) -> None:
        for scheduler in self._every_step:
            scheduler.step()

    def after_epoch(self) -> None:
        for scheduler in self._every_epoch:
            scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, fit for JSON."""
        keep = ("last_epoch", "_step_count", "_last_lr", "base_lrs")
        return {"parts": [{key: getattr(part, key) for key in keep} for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, values in zip(self.parts, state["parts"], strict=True):
            for key, value in values.items():
                setattr(part, key, value)
