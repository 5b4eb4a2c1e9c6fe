"""Knobs that have no effect beside the others, or another one than their name says: a line each, said at the start.

These are no errors: a sweep may pass over such a value, and a run is what its config says all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..root import Root
from ..sections import schedules
from ..sections.optimization import SGD
from ..sections.optimizer_names import TimmOptimizer, TorchOptimizer
from .no_effect_data import data_lines, task_lines, transform_lines

_L2 = ("Adam", "NAdam", "RAdam")  # their weight decay is a part of the gradient, which they scale


def no_effect_lines(config: Root) -> list[str]:
    """Find the knobs of a config that switch each other off. A line begins with the dotted path of its knob."""
    rules: tuple[Callable[[Any], Iterator[str]], ...] = (
        _optimizer_lines,
        _decay_lines,
        _schedule_lines,
        _plateau_lines,
        _balancing_lines,
        _training_lines,
        task_lines,
        data_lines,
        transform_lines,
    )
    return [line for rule in rules for line in rule(config)]


def no_effect_lines_at_start(config: Root, steps_per_epoch: int, num_processes: int) -> list[str]:
    """Find the knobs that have no effect on so many steps and processes."""
    return [*_step_lines(config, steps_per_epoch), *_process_lines(config, num_processes)]


def _argument(config: Root, name: str) -> Any:
    """An argument of the optimizer; None where it has the default of its library."""
    optimizer = config.optimizer
    if isinstance(optimizer, TorchOptimizer | TimmOptimizer):
        return optimizer.arguments.get(name)
    return getattr(optimizer, name, None)


def _optimizer_lines(config: Root) -> Iterator[str]:
    optimizer = config.optimizer
    if isinstance(optimizer, SGD) and optimizer.dampening and not optimizer.momentum:
        yield f"optimizer.dampening: {optimizer.dampening:g} dampens the momentum, and optimizer.momentum is 0"
    if optimizer.name == "Rprop":
        for key, value in (("scheduler", config.scheduler), ("warmup_epochs", config.warmup_epochs)):
            if value:
                yield f"{key}: Rprop takes its rate in the first step alone, so no later one has an effect"
        if config.gradient_clip_norm is not None:
            yield "gradient_clip_norm: Rprop sees the signs of gradients alone, which clipping leaves as they are"


def _decay_lines(config: Root) -> Iterator[str]:
    decay = _argument(config, "weight_decay") or 0
    if decay and config.optimizer.name in _L2 and not _argument(config, "decoupled_weight_decay"):
        other = 'name "AdamW"' if config.optimizer.name == "Adam" else '"decoupled_weight_decay": true'
        yield (
            f"optimizer.weight_decay: {decay:g} of {config.optimizer.name} is an L2 penalty, which it scales down like "
            f"any gradient; {other} decays the weights themselves"
        )
    if config.no_decay_on_norms_and_biases and not decay:
        yield "no_decay_on_norms_and_biases: optimizer.weight_decay is 0, so nothing decays in any case"


def _schedule_lines(config: Root) -> Iterator[str]:
    scheduler, epochs = config.scheduler, config.epochs
    if isinstance(scheduler, schedules.StepLR) and scheduler.step_size >= epochs:
        yield f"scheduler.step_size: {scheduler.step_size} of a run of {epochs} epochs; the rate never drops"
    if isinstance(scheduler, schedules.MultiStepLR):
        if not scheduler.milestones:
            yield "scheduler.milestones: there are none; the rate never drops"
        elif scheduler.milestones[-1] == epochs:
            yield f"scheduler.milestones: {epochs} is the last epoch, after which no rate is used"
    if getattr(scheduler, "gamma", None) == 1:
        yield "scheduler.gamma: 1 leaves the rate as it is"
    if isinstance(scheduler, schedules.ConstantLR) and (scheduler.factor == 1 or not scheduler.total_iters):
        yield "scheduler: ConstantLR with factor 1 or total_iters 0 leaves the rate as it is"
    if isinstance(scheduler, schedules.LinearLR) and scheduler.start_factor == scheduler.end_factor:
        yield f"scheduler.end_factor: {scheduler.end_factor:g} is start_factor, so the rate does not change"
    if isinstance(scheduler, schedules.OneCycleLR):
        if scheduler.div_factor <= 1:
            yield f"scheduler.div_factor: {scheduler.div_factor:g} lets OneCycleLR begin no lower than its highest rate"
        if scheduler.final_div_factor < 1:
            yield f"scheduler.final_div_factor: {scheduler.final_div_factor:g} lets the rate end higher than it began"
    yield from _length_lines(config)
    floor = getattr(scheduler, "eta_min", getattr(scheduler, "min_lr", 0.0))
    if floor >= config.optimizer.lr:
        key = "eta_min" if hasattr(scheduler, "eta_min") else "min_lr"
        yield f"scheduler.{key}: {floor:g} is no lower than optimizer.lr {config.optimizer.lr:g}; no rate is lowered"


def _length_lines(config: Root) -> Iterator[str]:
    """Lengths of a schedule that are not those of the run."""
    scheduler, epochs = config.scheduler, config.epochs
    if isinstance(scheduler, schedules.CosineAnnealingLR) and scheduler.T_max is not None:
        if scheduler.T_max > epochs:
            yield f"scheduler.T_max: {scheduler.T_max} is beyond the last epoch, {epochs}; the rate ends above eta_min"
        if scheduler.T_max < epochs:
            yield (
                f"scheduler.T_max: {scheduler.T_max} of a run of {epochs} epochs; the rate rises again from epoch "
                f"{scheduler.T_max + 1} on, as torch's does; null takes the whole run"
            )
    if isinstance(scheduler, schedules.CosineAnnealingWarmRestarts) and epochs <= scheduler.T_0:
        yield f"scheduler.T_0: {scheduler.T_0} of a run of {epochs} epochs; it never restarts"
    if isinstance(scheduler, schedules.LinearLR | schedules.PolynomialLR) and scheduler.total_iters is not None:
        if scheduler.total_iters > epochs:
            yield f"scheduler.total_iters: {scheduler.total_iters} is beyond the last epoch, {epochs}"
        ends_at_0 = isinstance(scheduler, schedules.PolynomialLR) or scheduler.end_factor == 0
        if scheduler.total_iters < epochs and ends_at_0:
            yield f"scheduler.total_iters: after epoch {scheduler.total_iters} of {epochs} the rate is 0"


def _plateau_lines(config: Root) -> Iterator[str]:
    plateau, stopping = config.scheduler, config.early_stopping
    # The first epoch is the best so far; a rate is set after each epoch but the last.
    if isinstance(plateau, schedules.ReduceLROnPlateau):
        if plateau.patience >= config.epochs - 2:
            yield f"scheduler.patience: {plateau.patience} of a run of {config.epochs} epochs; the rate never drops"
        if stopping is not None and stopping.patience <= plateau.patience:
            yield (
                f"early_stopping.patience: {stopping.patience} ends the run before scheduler.patience "
                f"{plateau.patience} lowers the rate"
            )
    if stopping is not None and stopping.patience >= config.epochs - 1:
        yield f"early_stopping.patience: {stopping.patience} of a run of {config.epochs} epochs, which never ends early"


def _balancing_lines(config: Root) -> Iterator[str]:
    if len(config.tasks) == 1:
        if config.balancing.name != "fixed":
            yield f"balancing: {config.balancing.name} has one task, and nothing to balance it with"
        if config.conflict_every_steps is not None:
            yield "conflict_every_steps: one task has no other to conflict with"
    if config.balancing.name == "dwa" and config.epochs <= 2:
        yield f"balancing: dwa weights the tasks from the third epoch on, and there are {config.epochs}"


def _training_lines(config: Root) -> Iterator[str]:
    frozen = config.model.freeze_backbone_epochs
    if frozen and config.model.weights is None:
        yield f"model.freeze_backbone_epochs: for {frozen} epochs the heads read what random weights make of pictures"


def _step_lines(config: Root, steps_per_epoch: int) -> Iterator[str]:
    num_steps = config.epochs * steps_per_epoch
    reached = num_steps / (num_steps + 9)  # (1 + t) / (10 + t) of the last step t, counted from 0
    if config.ema_decay is not None and config.ema_decay > reached:
        yield (
            f"ema_decay: {config.ema_decay:g} is not reached in {num_steps} steps; the average begins with less, and "
            f"ends with {reached:.3g}"
        )
    if config.warmup_epochs and not round(config.warmup_epochs * steps_per_epoch):
        yield f"warmup_epochs: {config.warmup_epochs:g} of {steps_per_epoch} steps is less than half a step"
    every = config.checkpoint_every_steps
    if every is not None and every >= steps_per_epoch:
        yield f"checkpoint_every_steps: {every} of {steps_per_epoch} steps an epoch, after each of which one is saved"
    if config.conflict_every_steps is not None and config.conflict_every_steps > num_steps:
        yield f"conflict_every_steps: {config.conflict_every_steps} is more than all {num_steps} steps"


def _process_lines(config: Root, num_processes: int) -> Iterator[str]:
    if config.sync_batchnorm and num_processes == 1:
        yield "sync_batchnorm: one process has no other to share statistics with"
