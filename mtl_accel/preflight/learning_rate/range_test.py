"""Learning-rate range test (Smith, 2017): a run whose rate rises from step to step until its loss diverges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...config import Config
from ...config.sections.schedules import OneCycleLR
from ...core import atomic_io
from ...core.errors import UserError
from ...data.loading.batch import Batch
from ...data.sources.given import GivenData, with_given_data
from ...inference.logits import Predictions
from ...launching import agreement
from ...launching.accelerator import leave_at_exit, start_accelerator
from ...runs.log import RunLog
from ...training import engine, freezing
from ...training.build import build_run
from ...training.loaders import read_pipelines_and_data
from ...training.memory.out_of_memory import out_of_memory_errors
from ...training.run import Run
from .drawing import draw
from .finding import LRFinding, has_diverged, smooth, suggest

NUM_STEPS, MIN_LR, MAX_LR = 100, 1e-7, 10.0
_MIN_STEPS = 10


def find_lr(
    config: Config,
    *,
    steps: int = NUM_STEPS,
    min_lr: float = MIN_LR,
    max_lr: float = MAX_LR,
    output: str | Path | None = None,
    data: GivenData | None = None,
) -> LRFinding:
    """Train with a rate that rises exponentially, and suggest one from the losses, on every process of the launcher.

    Everything else is as in the config's own first epoch: batches, augmentation, network, optimizer, balancing, and the
    ratios between the rates of groups of parameters. The schedule and the average of the weights are left out. Nothing
    is written into the run folder, and the same config gives the same losses on any number of processes.

    Args:
        steps: of the whole range; fewer are made where the loss diverges before its end.
        output: path of the picture, beside which the numbers lie as .json; None: RUN_DIR-lr.png.
        data: a training table in place of data.source, or a mapping of splits to tables.

    Raises:
        UserError: anything that a user can put right. A loss that is no longer finite is none of it.
    """
    if problems := _problems(steps, min_lr, max_lr):
        raise UserError(problems)
    has_one_cycle, config = isinstance(config.scheduler, OneCycleLR), _still(config)
    accelerator, micro_batch_size = start_accelerator(config, cache=atomic_io.cache_dir(config.data.cache_dir))
    config = agreement.on_every_process(lambda: with_given_data(config, data))
    with out_of_memory_errors(config.samples_per_step, micro_batch_size, accelerator.device):
        pipelines, labelled = agreement.on_every_process(lambda: read_pipelines_and_data(config))
        agreement.require_same_data(labelled)
        log = RunLog(Path(config.run_dir), accelerator)
        run = build_run(config, pipelines, accelerator, labelled, micro_batch_size, log)
        finding = _finding(run, np.geomspace(min_lr, max_lr, steps).tolist(), has_one_cycle)
    if accelerator.is_main_process:
        finding = _written(finding, Path(output if output is not None else f"{config.run_dir}-lr.png"))
    accelerator.free_memory()
    leave_at_exit()
    return finding


def _problems(steps: int, min_lr: float, max_lr: float) -> list[str]:
    problems = []
    if type(steps) is not int or steps < _MIN_STEPS:
        problems.append(f"steps: {steps!r} must be a whole number of {_MIN_STEPS} or more; fewer show no slope")
    for name, rate in (("min_lr", min_lr), ("max_lr", max_lr)):
        if type(rate) not in (int, float) or not 0 < rate < math.inf:
            problems.append(f"{name}: {rate!r} must be a number above 0")
    if not problems and min_lr >= max_lr:
        problems.append(f"min_lr: {min_lr:g} must be less than max_lr, which is {max_lr:g}")
    return problems


def _still(config: Config) -> Config:
    """The config without what a rate of its own would fight, and without records."""
    off = {"scheduler": None, "warmup_epochs": 0.0, "ema_decay": None, "early_stopping": None}
    records = {"trackers": (), "conflict_every_steps": None, "checkpoint_every_minutes": None}
    return config.model_copy(update=off | records)


def _finding(run: Run, rates: list[float], has_one_cycle: bool) -> LRFinding:
    """Make the steps, on every process."""
    weights = np.array([task.weight for task in run.tasks.values()])
    rows: list[list[float]] = []
    total: list[float] = []
    smoothed: list[float] = []
    freezing.begin_epoch(run)
    for rate, step in zip(rates, _steps(run), strict=False):
        run.schedule.set_lr(rate)
        rows.append(_step(run, *step))
        total.append(float(weights @ np.array(rows[-1])))
        smoothed = smooth(total)
        if has_diverged(smoothed):
            break
    tried = rates[: len(rows)]
    losses = {name: [row[task] for row in rows] for task, name in enumerate(run.tasks)}
    return LRFinding(tried, losses, total, smoothed, *suggest(tried, smoothed), has_diverged(smoothed), has_one_cycle)


def _steps(run: Run) -> Iterator[tuple[int, int, list[Batch], dict[str, float]]]:
    """Yield (epoch, step, micro-batches, numbers of labels) without end."""
    for epoch in itertools.count():
        for step, batches, counts in run.train_loader.steps(epoch):
            yield epoch, step, batches, counts


def _step(run: Run, epoch: int, step: int, batches: list[Batch], counts: dict[str, float]) -> list[float]:
    """Make one step as `engine.train_epoch` does; returns the loss of each task before it."""
    losses = engine.forward_backward(run, epoch, step, batches, counts)
    run.predictions = Predictions()  # nobody asks for them
    engine.gradient_norm(run, is_log_step=False)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    losses, _ = engine.sum_over_processes(run, losses, stop_requested=False)
    run.balancer.end_step(losses)
    found: list[float] = losses.tolist()
    return found


def _written(finding: LRFinding, picture: Path) -> LRFinding:
    """Write picture and numbers."""
    record = picture.with_suffix(".json")
    with atomic_io.storage_errors(picture):
        atomic_io.make_folder(picture.absolute().parent)
        draw(finding, picture)
    finding.write(record)
    return replace(finding, picture=picture, record=record)
