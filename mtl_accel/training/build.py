"""From a Config to every object of a run: where the parts meet."""

from __future__ import annotations

from pathlib import Path

import torch
from accelerate import Accelerator

from .. import models
from ..config import Config
from ..config.sections.tasks import task_heads
from ..core import rng
from ..core.dtypes import sum_dtype
from ..data.labels.dataset import LabeledDataset
from ..data.loading.loader import TrainingOrder
from ..launching.accelerator import wrap
from ..metrics.registry import lower_is_better
from ..models.gradient_checkpointing import checkpoint_gradients
from ..objective import balancing
from ..objective.losses import ElementLoss, build_training_losses
from ..objective.objective import Objective
from ..runs.curves import CurvesFile
from ..runs.log import RunLog
from . import freezing
from .loaders import Pipelines, build_loaders
from .optimization.ema import WeightAverage
from .optimization.optimizers import build_optimizer
from .optimization.parameter_groups import parameter_groups
from .optimization.schedule import Schedule
from .run import Run
from .step.backward import build_backward
from .step.batchnorm import RunningStatistics
from .step.loss_monitor import LossMonitor, SkippedSteps
from .step.progress import StepProgress


def build_run(
    config: Config,
    pipelines: Pipelines,
    accelerator: Accelerator,
    labelled: LabeledDataset,
    micro_batch_size: int,
    log: RunLog,
) -> Run:
    """Build every object that the loop works on."""
    losses = build_training_losses(config.tasks, labelled.tasks, labelled.targets["train"])
    train_loader, validation_loader = build_loaders(config, pipelines, accelerator, labelled, micro_batch_size)
    order = train_loader.order
    objective = build_objective(config, labelled, accelerator, losses, order.num_micro_batches)
    optimizer = build_optimizer(config.optimizer, parameter_groups(objective, objective.model, config))
    schedule = _schedule(config, optimizer, order.num_steps)
    wrapped, prepared = wrap(accelerator, objective, optimizer)
    return Run(
        config=config,
        accelerator=accelerator,
        tasks=labelled.tasks,
        losses=losses,
        objective=wrapped,
        optimizer=prepared,
        schedule=schedule,
        statistics=RunningStatistics(objective, order.num_micro_batches),
        balancer=objective.balancer,
        backward=build_backward(config, objective, accelerator, order.num_micro_batches, log),
        average=None if config.ema_decay is None else WeightAverage(objective.model, config.ema_decay),
        train_loader=train_loader,
        validation_loader=validation_loader,
        train_targets=labelled.targets["train"],
        validation_targets=labelled.targets["validation"],
        pipelines=pipelines,
        log=log,
        curves=_curves(config, labelled),
        loss_monitor=_loss_monitor(labelled, order),
        skipped=SkippedSteps(accelerator.scaler),
        shown=_step_progress(config, labelled, order, hidden=not accelerator.is_main_process),
    )


def _schedule(config: Config, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> Schedule:
    knobs = config.scheduler, config.epochs, steps_per_epoch, config.warmup_epochs
    return Schedule(optimizer, *knobs, lower_is_better=lower_is_better(config.select_by))


def _curves(config: Config, labelled: LabeledDataset) -> CurvesFile:
    names = ["loss", *(task.metric for task in labelled.tasks.values())]
    return CurvesFile(Path(config.run_dir) / "curves.png", names)


def _step_progress(config: Config, labelled: LabeledDataset, order: TrainingOrder, *, hidden: bool) -> StepProgress:
    weights = [task.weight for task in labelled.tasks.values()]
    return StepProgress(config.epochs, order.num_steps, order.batch_size, weights, hidden=hidden)


def _loss_monitor(labelled: LabeledDataset, order: TrainingOrder) -> LossMonitor:
    def ids(epoch: int, step: int) -> list[str]:
        ids = order.samples(epoch, step)[1]
        return labelled.ids("train", order.rows_of(ids[ids >= 0]))

    return LossMonitor(list(labelled.tasks), ids)


def build_objective(
    config: Config,
    labelled: LabeledDataset,
    accelerator: Accelerator,
    losses: dict[str, ElementLoss],
    num_micro_batches: int,
) -> Objective:
    """Build network, losses and balancer, with the weights that the seed gives; the network is on the device."""
    torch.manual_seed(rng.seed_of(config.seed, rng.INITIAL))
    model = models.build_model(config.model, labelled.tasks, config.model.weights, task_heads(config.tasks))
    if config.sync_batchnorm:
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    if config.model.gradient_checkpointing:
        checkpoint_gradients(model)
    freezing.freeze(model, config)
    # Convolutions read all channels of a pixel together; the values are the same.
    model = model.to(accelerator.device).to(memory_format=torch.channels_last)
    balancer = balancing.build_balancer(config.balancing, len(labelled.tasks), num_micro_batches, config.seed)
    if sum_dtype(accelerator.device) == torch.float32:  # its sums go to the device with the model
        balancer = balancer.float()
    where = getattr(config.balancing, "where", None)
    by_task = where is not None or config.conflict_every_steps is not None
    objective = Objective(model, labelled.tasks, losses, balancer, by_task=by_task, gated=where == "features")
    if config.compile:
        # Batches are always full, so one graph serves each. Evaluation calls the model alone.
        objective.compile(dynamic=False)
        objective.model.compile(dynamic=False)
    return objective
