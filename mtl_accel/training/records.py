"""What a run says, writes down and sends to trackers: before its first step, after steps and epochs, at its end."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

import numpy as np
from PIL import Image
from torch import Tensor

from ..config.rules.no_effect import no_effect_lines, no_effect_lines_at_start
from ..config.rules.no_effect_data import holdout_lines
from ..config.rules.plugin_uses import used_plugins
from ..core.control_characters import one_line
from ..data.labels.dataset import LabeledDataset
from ..data.labels.label_checks import coverage_lines, start_lines
from ..data.labels.reader import Targets
from ..inference.logits import split_logits
from ..launching import allocator, ambient
from ..launching.accelerator import launcher_precision
from ..metrics import multilabel, thresholds
from ..runs.label_pictures import MAX_CLASSES, draw_confusion, draw_label_f1
from ..runs.log import log_block, with_prefixes
from . import debug
from .loaders import several_crops_message, slow_transforms_message
from .run import Run

_UNUSUAL = re.compile(r"[^A-Za-z0-9_./ -]")


def announce(run: Run, labelled: LabeledDataset, debugging: str | None, changes: list[str] | None) -> None:
    """Log what is known before the first step.

    changes: what is not as it was when the run stopped; None: it starts from the beginning.
    """
    log, config, resumed = run.log, run.config, changes is not None
    log.start(config, (run.progress.epoch, run.progress.step) if resumed else None, labelled.inferred)
    log.write_validation_ids(labelled.held_out)
    log.write_skipped(labelled.skipped)
    pictures = [note for data in (run.train_loader.data, run.validation_loader.data) for note in data.pixels.notes]
    weights = () if resumed else run.unwrapped_objective.model.loaded_weights  # a checkpoint has replaced them
    split = "the batch" if debugging == "overfit" else "validation"
    inferred = [*labelled.notes, *pictures, *start_lines(labelled), *coverage_lines(labelled, split)]
    # A debug run has other lengths than its config says.
    inferred += [] if debugging else _without_effect(run, labelled)
    plugins = [f"plugin {name} {record.title}" for name, record in used_plugins(config).items()]
    lines = [_banner(run, labelled, resumed), *plugins, *weights, *_ambient(run), *inferred, *(changes or [])]
    log.say("\n".join(map(one_line, lines)))
    if run.pipelines.train.per_sample is not None:
        log.say(slow_transforms_message(run.pipelines.train.per_sample, config.data.num_workers))
    if run.pipelines.eval.crops is not None:
        log.say(several_crops_message(run.pipelines.eval.crops))
    if debugging:
        log.say(debug.summary(run, labelled))


def log_step(run: Run, gradient_norm: Tensor | None) -> dict[str, float]:
    """Log the figures of the steps since the last call, and return them: mean losses, speed, and the rate after them.

    The losses have been read by then, so nothing here waits long for the device.

    Args:
        gradient_norm: of the last step before clipping, over all processes; None: not computed.
    """
    means, progress = run.loss_monitor.take_means(), run.progress
    losses = {f"{name}/loss": loss for name, loss in means.items()}
    losses["loss"] = sum(task.weight * means[name] for name, task in run.tasks.items())
    others = {"lr": run.schedule.lr, "images_per_second": run.shown.images_per_second()}
    if gradient_norm is not None:
        others["gradient_norm"] = float(gradient_norm)
    run.log.event("step", epoch=progress.epoch + 1, step=progress.step, train=losses, **others)
    figures = {"step": {**losses, **others}}
    run.log.track(_num_steps(run), figures)
    return with_prefixes(figures)


def log_epoch(run: Run, train_values: dict[str, float], validation: dict[str, float], is_best: bool) -> None:
    """Log the metrics of an epoch, and redraw the curves."""
    epoch, progress = run.progress.epoch + 1, run.progress
    rate = run.train_loader.order.num_samples / max(progress.seconds, 1e-9)
    if run.debugging != "overfit":
        run.log.say(log_block(epoch, run.tasks, train_values, validation))
        run.log.say(f"{progress.seconds:.1f} seconds, {rate:.1f} images/s" + (", best so far" if is_best else ""))
    elif line := debug.overfit_line(run, train_values):
        run.log.say(line)
    weights = run.balancer.mean_weights()
    run.log.event(
        "epoch",
        epoch=epoch,
        train=train_values,
        validation=validation,
        lr=run.schedule.lr,
        seconds=progress.seconds,
        images_per_second=rate,
        skipped_steps=progress.skipped_steps,
        **({"task_weights": dict(zip(run.tasks, weights, strict=True))} if weights else {}),
    )
    splits = {"train": train_values, "validation": validation}
    run.log.track(_num_steps(run), splits, epoch=epoch, lr=run.schedule.lr, images_per_second=rate)
    run.log.status("running", epoch=epoch, epochs=run.config.epochs)
    run.curves.redraw(run.log)


def track_end(
    run: Run,
    fitted: Mapping[str, np.ndarray],
    figures: Mapping[str, float],
    logits: Tensor,
    targets: Mapping[str, Targets],
) -> None:
    """Send the trackers, where there are any, the figures and pictures of the best epoch, and the fitted thresholds.

    Args:
        fitted: thresholds [C] of each multilabel task; figures: those that they give on other rows, by their names.
        logits: of validation, [N, outputs]; targets: of the same rows.
    """
    if not run.log.is_tracked:
        return
    # A label may have any name, and MLflow takes no other signs than these.
    values = {
        f"{name}/{_UNUSUAL.sub('_', label)}": float(threshold)
        for name, of_task in fitted.items()
        for label, threshold in zip(run.tasks[name].classes, of_task, strict=True)
    }
    run.log.track(_num_steps(run), {"best": {**run.progress.best, **figures}, "thresholds": values})
    with Image.open(run.curves.path) as image:
        run.log.track_picture("curves.png", np.asarray(image.convert("RGB")), _num_steps(run))
    _track_labels(run, fitted, logits, targets)


def _track_labels(run: Run, fitted: Mapping[str, np.ndarray], logits: Tensor, targets: Mapping[str, Targets]) -> None:
    """Send the trackers the confusion matrices and F1 of each label."""
    for name, part in split_logits(logits.double(), run.tasks).items():
        task, (target, mask) = run.tasks[name], targets[name]
        scores = task.probabilities(part.numpy())
        if task.kind == "multilabel":
            levels = {
                f"at {thresholds.DEFAULT_THRESHOLD}": thresholds.DEFAULT_THRESHOLD,
                "at fitted thresholds": fitted[name],
            }
            counts = {words: multilabel.label_counts(scores >= level, target, mask) for words, level in levels.items()}
            f1 = {words: of_level.f1 for words, of_level in counts.items()}
            positives = next(iter(counts.values())).positives.astype(np.int64)
            picture = draw_label_f1(f"F1 of {task.title}", task.classes, positives, f1)
            run.log.track_picture(f"{name}-f1.png", picture, _num_steps(run))
        elif task.is_single_label and len(task.classes) <= MAX_CLASSES:
            matrix = np.zeros((len(task.classes),) * 2, np.int64)
            np.add.at(matrix, (target[mask], task.predicted_classes(scores)[mask]), 1)
            picture = draw_confusion(f"{task.title} on validation", task.classes, matrix)
            run.log.track_picture(f"{name}-confusion.png", picture, _num_steps(run))


def _num_steps(run: Run) -> int:
    """Optimizer steps that are done: one axis for every figure, since some trackers take no step before another."""
    return run.progress.epoch * run.train_loader.order.num_steps + run.progress.step


def _without_effect(run: Run, labelled: LabeledDataset) -> list[str]:
    """Name the knobs that have no effect beside the others, on these data and on so many processes."""
    config, num_steps = run.config, run.train_loader.order.num_steps
    return [
        *no_effect_lines(config),
        *no_effect_lines_at_start(config, num_steps, run.accelerator.num_processes),
        *holdout_lines(config, is_held_out=labelled.held_out_ids is not None),
    ]


def _ambient(run: Run) -> list[str]:
    """Say what holds beside the config, or had to give way to it."""
    found = ambient.in_effect(run.config, os.environ, run.accelerator.device.type)
    lines = [f"{name} is {value}" for name, value in found.items()]
    launched, configured = launcher_precision(os.environ), run.config.mixed_precision
    if launched is not None and configured not in (None, launched):
        lines.append(f"mixed_precision {configured!r} of the config holds, and not {launched!r} of the launcher")
    return lines


def _banner(run: Run, labelled: LabeledDataset, resumed: bool) -> str:
    config, accelerator, order = run.config, run.accelerator, run.train_loader.order
    sizes = ", ".join(f"{len(split)} {name}" for name, split in labelled.splits.items())
    start = f"resuming at epoch {run.progress.epoch + 1}, step {run.progress.step + 1}" if resumed else "starting"
    return (
        f"{start}: {config.run_dir}, {config.model.title}, {sizes} images, {accelerator.num_processes} "
        f"process{'es' if accelerator.num_processes > 1 else ''} on {accelerator.device.type}, "
        f"batch {order.batch_size} in micro-batches of {order.micro_batch_size}, "
        f"precision {accelerator.mixed_precision}, {order.num_steps} steps an epoch"
        + (
            "; glibc keeps freed memory"
            if accelerator.device.type == "cpu" and allocator.can_keep_freed_memory()
            else ""
        )
    )
