"""What training costs here: pixel cache, time and memory of an epoch; and knobs that fit the data."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ....config.sections.picture_sizes import size_after
from ....core import atomic_io
from ....core.errors import UserError
from ....core.progress import format_seconds
from ....data.labels.label_checks import class_counts
from ....data.transforms.pipeline import ImagePipeline
from ....training.loaders import build_pipelines, source_size
from ..findings import Finding, error, note, table, warning
from ..measurement import measure_step
from ..survey import Survey

_MIN_STEPS = 20  # of an epoch, below which a smaller batch learns more from it
_RARE_SHARE = 0.1  # of the rows, below which a label's loss should count more
_MAX_LABELS = 40


def check_cost(survey: Survey) -> Iterator[Finding]:
    """Size of the pixel cache, and time and memory of an epoch, measured on a few steps."""
    labelled, config = survey.labelled, survey.config
    if labelled is None or not labelled.tasks or "train" not in labelled.splits:
        return
    try:
        pipeline = build_pipelines(config, source_size(config, labelled)).train
        step = measure_step(config, labelled.tasks, pipeline.model_input_size)
    except UserError as problem:
        for message in problem.problems:
            yield error("cost", message)
        return
    size = {name: len(rows) for name, rows in labelled.splits.items()}
    cache = round(_cached_bytes(survey, pipeline) * (size["train"] + size.get("validation", 0)))
    cached = "{} x {} pixels".format(*pipeline.cached_size) if pipeline.cached_size else "pictures of several sizes"
    seconds = step.seconds_per_image * size["train"] + step.seconds_per_image / 3 * size.get("validation", 0)
    batch_size = type(config).model_fields["batch_size"].default if config.batch_size == "auto" else config.batch_size
    micro_batch = config.micro_batch_size or batch_size
    memory = step.state_bytes + micro_batch * step.bytes_per_image
    rows = [
        ("pixel cache, train and validation", f"{cache / 1e9:.2f} GB", f"{cached}, uint8"),
        (
            "an epoch",
            format_seconds(seconds),
            f"{size['train']:,} images and {size.get('validation', 0):,} of validation",
        ),
        ("all epochs", format_seconds(seconds * config.epochs), f"{config.epochs} epochs"),
        ("memory of a step", f"{memory / 1e9:.2f} GB", f"micro-batch of {micro_batch}, weights and optimizer"),
    ]
    steps = f"{step.num_steps} step{'s' * (step.num_steps > 1)} of {step.batch_size} random pictures"
    caption = f"On {step.device}, from {steps} in float32"
    yield note(
        "cost",
        f"An epoch takes about {format_seconds(seconds)} here, and a step {memory / 1e9:.2f} GB",
        "An estimate for one process: loading, augmentation and mixed precision are not in it.",
        tables=(table(caption, ("what", "estimate", "of"), rows, num_words=3),),
        values={"cache_bytes": cache, "epoch_seconds": seconds, "memory_bytes": memory},
    )
    yield from _free_space(survey, cache)


def _cached_bytes(survey: Survey, pipeline: ImagePipeline) -> float:
    """Bytes of a picture in the pixel cache; the mean over all of them, where their sizes differ."""
    if pipeline.cached_size is not None:
        return 3 * math.prod(pipeline.cached_size)
    assert survey.scan is not None, "who has labelled rows has looked at their pictures"
    sizes = [(int(height), int(width)) for width, height in survey.scan.sizes if width and height]
    return float(np.mean([3 * math.prod(size_after(pipeline.cached, size)) for size in sizes or [(1, 1)]]))


def _free_space(survey: Survey, need: int) -> Iterator[Finding]:
    folder = atomic_io.cache_dir(survey.config.data.cache_dir)
    free = shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free
    if survey.config.data.cache == "disk" and need > free:
        yield warning(
            "cost",
            f"The pixel cache needs {need / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free at {Path(folder)}",
            'Unless it is there already: set data.cache_dir to another disk, or data.cache to "none".',
        )


def check_knobs(survey: Survey) -> Iterator[Finding]:
    """Values of knobs that fit the numbers of rows: pos_weight, class weights and batch_size."""
    if survey.labelled is None or "train" not in survey.labelled.targets:
        return
    yield from _pos_weights(survey)
    num_train, batch = len(survey.labelled.splits["train"]), survey.config.batch_size
    if batch == "auto":
        return
    better = max(8, 2 ** int(np.log2(max(num_train / _MIN_STEPS, 1))))
    if num_train // batch < _MIN_STEPS and better < batch:
        steps = max(num_train // batch, 1)
        yield note(
            "knobs",
            f"batch_size: {num_train:,} training images make {steps} steps of {batch}; try {better}",
            f"With {better} an epoch has {num_train // better} steps. A learning rate that fitted the larger batch may "
            "then be too high.",
        )


def _pos_weights(survey: Survey) -> Iterator[Finding]:
    """Zeros for each one of the rare labels, where the loss does not weigh them already."""
    assert survey.labelled is not None
    for name, task in survey.labelled.tasks.items():
        loss = survey.config.tasks[name].loss
        if task.kind != "multilabel" or getattr(loss, "pos_weight", 0) is not None:
            continue
        targets = survey.labelled.targets["train"][name]
        ones, known = class_counts(task, targets), targets.mask.sum(axis=0)
        rare = np.flatnonzero((ones > 0) & (ones < _RARE_SHARE * known))
        if len(rare):
            order = rare[np.argsort(ones[rare], kind="stable")][:_MAX_LABELS]
            rates, weights = ones[order] / known[order], (known[order] - ones[order]) / ones[order]
            rows = [
                (task.classes[index], f"{rate:.1%}", f"{weight:.1f}")
                for index, rate, weight in zip(order, rates, weights, strict=True)
            ]
            knob = f'tasks.{name}.loss: {{"name": "{loss.name}", "pos_weight": "balanced"}}'
            yield note(
                "knobs",
                f"{name}: {len(rare)} label{'s are' if len(rare) > 1 else ' is'} rare; pos_weight raises their recall",
                f"{knob} makes a missed one cost more. Fitted thresholds raise recall without it.",
                tables=(table("Zeros for each one: what pos_weight would be", ("label", "rate", "pos_weight"), rows),),
            )
