"""Train and evaluate: the loop, read top to bottom."""

from __future__ import annotations

import contextlib
import math
import time

import torch
from torch import Tensor

from ..core import rng
from ..core.dtypes import sum_dtype
from ..core.progress import counted
from ..data.loading.batch import Batch
from ..data.loading.loader import EvaluationLoader
from ..data.transforms.mixing import mixed
from ..inference.logits import Predictions, predict_logits
from ..inference.scoring import score
from ..launching.collectives import DelayedRead, any_process, from_main_process
from ..launching.interrupts import Interrupts
from ..metrics.selection import score_of
from ..objective.objective import Output
from ..runs.checkpoint import LAST
from ..runs.log import with_prefixes
from . import early_stopping, freezing, records
from .callbacks import NO_CALLBACKS, Callbacks
from .checkpointing import Checkpoints
from .run import Run


def train(run: Run, checkpoints: Checkpoints, interrupts: Interrupts, callbacks: Callbacks = NO_CALLBACKS) -> str:
    """Train from `run.progress` to the last epoch. Returns "finished", or "stopped" when asked to stop.

    Raises:
        UserError: a loss is no longer finite, or a checkpoint cannot be written.
    """
    callbacks.call("on_start", run)
    while run.progress.epoch < run.config.epochs and not stops_early(run):
        stopped = any_process(run.accelerator, interrupts.stop_requested)
        if stopped or not train_epoch(run, checkpoints, interrupts, callbacks):
            save(run, checkpoints, callbacks)
            return "stopped"
        ids, logits = run.predictions.gather(run.accelerator)
        run.predictions = Predictions()
        validation_logits = predict(run, run.validation_loader)
        better, train_values, validation = False, {}, {}
        if run.accelerator.is_main_process:
            targets = run.train_loader.order.targets_of(run.progress.epoch, ids.numpy(), run.train_targets)
            train_values = score(logits, run.tasks, run.losses, targets)
            validation = score(validation_logits, run.tasks, run.losses, run.validation_targets)
            better = finish_epoch(run, train_values, validation)
        run.progress.epoch, run.progress.step, run.progress.seconds = run.progress.epoch + 1, 0, 0.0
        run.schedule.after_epoch(agreed_score(run, validation))
        run.balancer.end_epoch()
        save(run, checkpoints, callbacks, best=validation_logits if better else None)
        callbacks.call("on_epoch_end", run, with_prefixes({"train": train_values, "validation": validation}))
    if reason := early_stopping.reason(run.config, run.progress):
        run.log.say(reason)
    return "finished"


def agreed_score(run: Run, validation: dict[str, float]) -> float | None:
    """Value of select_by, higher is better, on every process; None where no rate depends on it.

    validation: metrics of the epoch, which the main process alone knows.
    """
    if not run.schedule.needs_scores:
        return None
    return from_main_process(score_of(validation, run.tasks, run.config.select_by) if validation else math.nan)


def save(run: Run, checkpoints: Checkpoints, callbacks: Callbacks, best: Tensor | None = None) -> None:
    """Write a checkpoint, see `Checkpoints.save`, and tell the callbacks."""
    checkpoints.save(run, best)
    callbacks.call("on_checkpoint", run, checkpoint=checkpoints.root / LAST)


def stops_early(run: Run) -> bool:
    """Whether early stopping ends the run; the main process, which alone knows the metrics, decides for all."""
    if run.config.early_stopping is None:
        return False
    here = run.accelerator.is_main_process and early_stopping.reason(run.config, run.progress) is not None
    return any_process(run.accelerator, here)


def train_epoch(
    run: Run, checkpoints: Checkpoints, interrupts: Interrupts, callbacks: Callbacks = NO_CALLBACKS
) -> bool:
    """Run the remaining steps of an epoch. Returns False when asked to stop before its end."""
    config, progress, epoch = run.config, run.progress, run.progress.epoch
    num_steps = run.train_loader.order.num_steps
    scales = run.accelerator.scaler is not None  # an infinite norm is an everyday event then: it skips the step
    reader, begin, before = DelayedRead(), time.perf_counter(), progress.seconds
    freezing.begin_epoch(run)
    with run.shown.of_epoch(epoch, progress.step) as shown:
        for step, batches, counts in run.train_loader.steps(epoch, progress.step):
            is_log_step = (step + 1) % config.log_every_steps == 0 or step + 1 == num_steps
            # ---- one optimizer step -----------------------------------------------------------------------
            losses = forward_backward(run, epoch, step, batches, counts)
            norm = gradient_norm(run, is_log_step)
            run.optimizer.step()
            run.optimizer.zero_grad(set_to_none=True)
            run.schedule.after_step()
            losses, flags = sum_over_processes(run, losses, interrupts.stop_requested)
            run.balancer.end_step(losses)
            if run.average is not None:  # after the running statistics are those of all processes
                run.average.update(epoch * num_steps + step)
            # -----------------------------------------------------------------------------------------------
            progress.step, progress.seconds = step + 1, before + time.perf_counter() - begin
            run.loss_monitor.add(step, losses)
            *last_losses, stop, save_due = reader.exchange(torch.cat([losses, flags])) or (0.0, 0.0)
            every = config.checkpoint_every_steps
            is_save_step = not stop and step + 1 < num_steps and bool(save_due or (every and (step + 1) % every == 0))
            if is_log_step or stop or is_save_step:
                run.loss_monitor.read(epoch, run.schedule.lr, weights_norm(run) if scales or norm is None else norm)
                progress.skipped_steps += run.skipped.count()
            shown.update(last_losses, run.schedule.lr)
            figures = records.log_step(run, norm) if is_log_step else {}
            callbacks.call("on_step_end", run, figures)
            if stop:
                return False
            if is_save_step:
                save(run, checkpoints, callbacks)
    return True


def forward_backward(run: Run, epoch: int, step: int, batches: list[Batch], counts: dict[str, float]) -> Tensor:
    """Compute the gradients of one step over this process's micro-batches. Returns its share of the losses: [T]."""
    labelled = torch.tensor([counts[name] for name in run.tasks], dtype=torch.float32)
    labelled = labelled.to(run.accelerator.device, non_blocking=True)
    # So that the order of summation does not matter.
    losses = torch.zeros_like(labelled, dtype=sum_dtype(labelled.device))
    run.statistics.begin_step()
    run.balancer.begin_step(epoch, step)
    run.backward.begin_step(epoch, step)
    if run.backward.measures_first:  # the weights of the tasks' gradients depend on all micro-batches
        for batch in batches:
            with run.accelerator.no_sync(run.objective):
                run.backward.measure(forward(run, batch, labelled))
    for index, batch in enumerate(batches):
        is_last = index == len(batches) - 1
        # DDP sums the gradients over the processes with the last backward pass, and not before.
        sums_now = is_last and run.backward.ddp_sums
        with contextlib.nullcontext() if sums_now else run.accelerator.no_sync(run.objective):
            output = forward(run, batch, labelled)
            run.backward.micro_batch(index, output)
        run.statistics.end_micro_batch()
        run.predictions.add(batch.ids, output.logits)
        losses += output.losses
    run.backward.finish()
    return losses


def forward(run: Run, batch: Batch, labelled: Tensor) -> Output:
    """Augment a micro-batch and run the network and its losses.

    labelled: float32 [T], number of labels of each task in the whole step. All random numbers depend on the seed and
    on where in the run the micro-batch is, and on nothing else.
    """
    key = batch.key
    run.statistics.begin_micro_batch()
    images = mixed(run.pipelines.train.batched(batch.images, key.augmentation_ids, key.epoch, run.dtype), batch.mix)
    # Of dropout and the like.
    torch.manual_seed(rng.seed_of(run.config.seed, rng.MODULE, key.epoch, key.step, key.micro_batch))
    return run.objective(images, batch.targets, batch.masks, labelled, batch.mix)


def gradient_norm(run: Run, is_log_step: bool) -> Tensor | None:
    """Clip the gradient. Returns its norm before, where it was needed: for clipping, and when the interval ends."""
    parameters = run.objective.parameters()
    if run.config.gradient_clip_norm is not None:
        norm = run.accelerator.clip_grad_norm_(parameters, run.config.gradient_clip_norm)
    elif is_log_step:
        if run.accelerator.scaler is not None:
            run.accelerator.unscale_gradients(run.optimizer)  # the step would do it otherwise
        norm = torch.nn.utils.get_total_norm(p.grad for p in parameters if p.grad is not None)
    else:
        return None
    return norm


def weights_norm(run: Run) -> Tensor:
    """Norm of all weights, which is not finite after a step with a gradient that was not."""
    return torch.nn.utils.get_total_norm(parameter.detach() for parameter in run.objective.parameters())


def sum_over_processes(run: Run, losses: Tensor, stop_requested: bool) -> tuple[Tensor, Tensor]:
    """One small message a step: sums losses [T], flags [2] (stop; time to save), and running statistics."""
    minutes = run.config.checkpoint_every_minutes
    save_due = time.monotonic() - run.last_save > 60 * (minutes or math.inf)
    if save_due:  # the flag is read a step later, and must not be raised twice
        run.last_save = time.monotonic()
    flags = torch.tensor([float(stop_requested), float(save_due and run.accelerator.is_main_process)])
    parts = [losses, flags.to(losses, non_blocking=True), run.statistics.sum()]
    sizes = [part.numel() for part in parts]
    summed = run.accelerator.reduce(torch.cat([part.to(losses) for part in parts]), reduction="sum")
    losses, flags, statistics = summed.split(sizes)
    run.statistics.end_step(statistics)
    return losses, flags


def predict(run: Run, loader: EvaluationLoader) -> Tensor:
    """Return the logits of a whole split: float32 [N, outputs] on the main process, rows in the table's order.

    The averaged weights give them, where the config asks for an average.
    """
    run.objective.eval()
    averaged = contextlib.nullcontext() if run.average is None else run.average.applied()
    batches = counted(loader, "evaluating", len(loader), "batches", hidden=not run.accelerator.is_main_process)
    with averaged:
        device, precision = run.accelerator.device, run.accelerator.mixed_precision
        predictions = predict_logits(
            run.unwrapped_objective.model, batches, run.pipelines.eval, run.tasks, device, precision
        )
    ids, flat = predictions.gather(run.accelerator)
    if run.accelerator.is_main_process:
        assert torch.equal(ids, torch.arange(loader.num_samples)), "a sample was lost or doubled"
    return flat


def finish_epoch(run: Run, train_values: dict[str, float], validation: dict[str, float]) -> bool:
    """Log an epoch. Returns whether it is the best so far; the earlier of two equal ones stays the best."""
    config, progress, epoch = run.config, run.progress, run.progress.epoch + 1
    selection_score = score_of(validation, run.tasks, config.select_by)
    better = math.isfinite(selection_score) and (progress.best_score is None or selection_score > progress.best_score)
    if better:
        progress.best_epoch, progress.best_score, progress.best = epoch, selection_score, validation
    early_stopping.update(progress, epoch, selection_score, config)
    records.log_epoch(run, train_values, validation, better)
    return better
