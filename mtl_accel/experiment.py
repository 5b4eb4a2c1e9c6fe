"""From a Config to every object of a run, and the run itself: the only place where the parts meet."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from . import (
    allocator,
    curves,
    debug,
    engine,
    finishing,
    keyed,
    launching,
    models,
    ownership,
    persistence,
    run_folder,
)
from .balancing import BALANCERS
from .batches import loaders, slow_transforms, train_transforms
from .batchnorm import RunningStatistics
from .config import Config
from .data.augment import Augmentation
from .data.labelled import Labelled, read
from .data.loading import TrainingOrder
from .data.per_sample import per_sample
from .engine import Run
from .failures import FailureLog
from .gradients import HalfwaySum
from .interrupts import EXIT_CODE as STOPPED
from .interrupts import Interrupts
from .losses import LOSSES, ElementLoss
from .objective import Objective
from .optim import Schedule, build_optimizer
from .runlog import RunLog
from .watch import LossWatch, SkippedSteps

_DRAWING_SHARE = 20  # of the time that curves.png took, before it is drawn again


@dataclass(frozen=True)
class Result:
    """How a run ended. `status` is "finished" or "stopped"; `best` holds the best epoch's validation metrics."""

    run_dir: Path
    status: str
    best_epoch: int | None
    best: dict[str, float]

    @property
    def exit_code(self) -> int:
        return 0 if self.status == "finished" else STOPPED


def train(
    config: Config,
    *,
    resume: str = "auto",
    overwrite: bool = False,
    allow_changes: bool = False,
    debugging: str | None = None,
) -> Result:
    """Run a config, on every process that the launcher started.

    Args:
        resume: "auto": go on where the run in the run folder stopped; "none": never; a run folder: from its last state.
        overwrite: empty the run folder first.
        allow_changes: resume although config or data have changed.
        debugging: "batches" for two batches of each split, "overfit" to learn one batch by heart.

    Raises:
        UserError: everything that a user can put right.
    """
    if debugging:
        config, overwrite = debug.config_for(config, debugging), True
    accelerator, micro_batch_size = launching.start(config, cache=run_folder.cache_dir(config.data.cache_dir))
    run_dir = Path(config.run_dir)
    with Interrupts() as interrupts, _owned(accelerator, run_dir) as is_owner:
        log = RunLog(run_dir, accelerator)
        if accelerator.is_main_process:
            run_folder.prepare(run_dir, resume, overwrite)
            FailureLog(run_dir, accelerator.process_index).clear()
        accelerator.wait_for_everyone()
        saved = run_folder.find_checkpoint(run_dir, resume)
        with log.recording():
            per_sample(config.transforms.train, config.seed)  # what torchvision refuses is told before reading
            labelled = read(config)
            if debugging:
                labelled = debug.shrink(labelled, config, debugging)
            run = build(config, accelerator, labelled, micro_batch_size, log, is_owner)
            if saved is not None:
                persistence.restore(run, saved, labelled.fingerprint, allow_changes)
            return _run(run, labelled, interrupts, debugging, resumed=saved is not None)


def _run(run: Run, labelled: Labelled, interrupts: Interrupts, debugging: str | None, resumed: bool) -> Result:
    log, progress, config = run.log, run.progress, run.config
    log.start(config, progress.epoch if resumed else None)
    log.held_out(labelled.held_out)
    log.say(_banner(run, labelled, resumed))
    if run.train_loader.data.per_sample is not None:
        log.say(slow_transforms(config, run.train_loader.data.per_sample))
    if debugging:
        log.say(debug.summary(run, labelled))
    status = engine.train(run, interrupts)
    result = Result(Path(config.run_dir), status, progress.best_epoch, progress.best)
    run_dir, figures = result.run_dir, {}
    if status == "finished" and run.accelerator.is_main_process:
        run.after_epoch(run, True)
        figures = {"fitted": finishing.write_model(run)}
        log.say(f"best epoch {progress.best_epoch}; curves: {run_dir / 'curves.png'}, model: {run_dir / 'model'}")
    if debugging:
        debug.check(run, debugging)
    log.event("end", status=status, best_epoch=progress.best_epoch, best=progress.best, **figures)
    where = {"epoch": progress.epoch, "step": progress.step, "best_epoch": progress.best_epoch}
    log.status(status, exit_code=result.exit_code, message=interrupts.reason, **where)
    for tracker in run.accelerator.trackers:
        tracker.finish()
    launching.leave_at_exit()
    return result


def build(
    config: Config,
    accelerator: Accelerator,
    labelled: Labelled,
    micro_batch_size: int,
    log: RunLog,
    is_owner: Callable[[], bool],
) -> Run:
    """Every object that the loop works on."""
    tasks = labelled.tasks
    losses = {name: LOSSES[config.tasks[name].loss.name] for name in tasks}
    train_loader, validation_loader = loaders(config, accelerator, labelled, micro_batch_size)
    order = train_loader.order
    objective = _objective(config, labelled, accelerator, losses)
    optimizer = build_optimizer(config.optimizer, objective.parameters())
    schedule = Schedule(optimizer, config.scheduler, config.epochs, order.num_steps, config.warmup_epochs)
    wrapped, prepared = accelerator.prepare(objective, optimizer)
    return Run(
        config=config,
        accelerator=accelerator,
        tasks=tasks,
        losses=losses,
        objective=wrapped,
        optimizer=prepared,
        schedule=schedule,
        statistics=RunningStatistics(objective, order.num_micro_batches),
        gradients=HalfwaySum(objective.parameters(), order.num_micro_batches, accelerator.num_processes),
        train_loader=train_loader,
        validation_loader=validation_loader,
        train_targets=labelled.targets["train"],
        validation_targets=labelled.targets["validation"],
        train_transforms=train_transforms(config, train_loader.data.per_sample),
        eval_transforms=Augmentation(config.transforms.eval, config.seed),
        log=log,
        watch=_watch(labelled, order),
        skipped=SkippedSteps(accelerator.scaler),
        save=_saver(config, labelled, is_owner),
        after_epoch=_Curves(),
    )


def _watch(labelled: Labelled, order: TrainingOrder) -> LossWatch:
    def ids(epoch: int, step: int) -> list[str]:
        rows = order.step(epoch, step)[1]
        return labelled.ids("train", rows[rows >= 0])

    return LossWatch(list(labelled.tasks), ids)


def _saver(
    config: Config, labelled: Labelled, is_owner: Callable[[], bool]
) -> Callable[[Run, torch.Tensor | None], None]:
    root = Path(config.run_dir) / "checkpoints"
    return functools.partial(persistence.save, root=root, fingerprint=labelled.fingerprint, is_owner=is_owner)


def _objective(
    config: Config, labelled: Labelled, accelerator: Accelerator, losses: dict[str, ElementLoss]
) -> Objective:
    torch.manual_seed(keyed.seed_of(config.seed, keyed.INITIAL))
    outputs = {name: task.num_outputs for name, task in labelled.tasks.items()}
    model: torch.nn.Module = models.build(config.model.name, outputs, config.model.weights)
    if config.sync_batchnorm:
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)
    # Convolutions read all channels of a pixel together; the values are the same.
    model = model.to(accelerator.device).to(memory_format=torch.channels_last)
    objective = Objective(model, labelled.tasks, losses, BALANCERS[config.balancing.name])
    if config.compile:
        # Batches are always full, so one graph serves each. Evaluation calls the model alone.
        objective.compile(dynamic=False)
        objective.model.compile(dynamic=False)
    return objective


class _Curves:
    """Redraws curves.png after an epoch, unless drawing would take more than a twentieth of the run's time."""

    def __init__(self) -> None:
        self._not_before = 0.0

    def __call__(self, run: Run, last: bool) -> None:
        begin = time.monotonic()
        if begin < self._not_before and not last:
            return
        rows = [row for row in run.log.rows() if row["event"] == "epoch"]
        names = ["loss", *(task.metric for task in run.tasks.values())]
        curves.draw(rows, names, Path(run.config.run_dir) / "curves.png")
        end = time.monotonic()
        self._not_before = end + _DRAWING_SHARE * (end - begin)


@contextmanager
def _owned(accelerator: Accelerator, run_dir: Path) -> Iterator[Callable[[], bool]]:
    """The run folder's lock, held by the main process, which alone writes."""
    with ExitStack() as stack:
        if accelerator.is_main_process:
            yield stack.enter_context(ownership.own(run_dir)).still_owned
        else:
            yield lambda: False


def _banner(run: Run, labelled: Labelled, resumed: bool) -> str:
    config, accelerator, order = run.config, run.accelerator, run.train_loader.order
    sizes = ", ".join(f"{len(split)} {name}" for name, split in labelled.splits.items())
    start = f"resuming at epoch {run.progress.epoch + 1}, step {run.progress.step + 1}" if resumed else "starting"
    return (
        f"{start}: {config.run_dir}, {config.model.name}, {sizes} images, {accelerator.num_processes} "
        f"process{'es' if accelerator.num_processes > 1 else ''} on {accelerator.device.type}, "
        f"batch {order.batch_size} in micro-batches of {order.micro_batch_size}, "
        f"precision {accelerator.mixed_precision}, {order.num_steps} steps an epoch"
        + ("; glibc keeps freed memory" if accelerator.device.type == "cpu" and allocator.may_keep() else "")
    )
