"""`batch_size: "auto"`: the largest batch whose step fits the memory, found by halving before the run is built.

A process tries steps of its own micro-batch alone: if one ran out of memory in a common step, the others would wait for
it. The smallest of what they find is the micro-batch of all. From there on the run is, to the bit, one that has the
number in its config, and it resumes with the number that it began with.
"""

from __future__ import annotations

import math
import os
from dataclasses import replace

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from ...config import Config
from ...core.errors import UserError
from ...data.labels.dataset import LabeledDataset
from ...launching import agreement
from ...launching.accelerator import check_accelerator, configure_ddp
from ...runs.checkpoint import Checkpoint
from .. import debug
from ..loaders import Pipelines
from .out_of_memory import describe
from .trial import Trial

FIRST_ON_CPU, FIRST_ON_DEVICE = 64, 512  # samples of a process; larger ones make a step longer, and little else faster


def with_first_try(config: Config) -> Config:
    """Return the config with the size that is tried first in place of "auto", so that its processes can start."""
    if config.batch_size != "auto":
        return config
    first = FIRST_ON_DEVICE if torch.accelerator.is_available() else FIRST_ON_CPU
    return _with_size(config, (config.micro_batch_size or first) * int(os.environ.get("WORLD_SIZE", 1)))


def resolve(
    config: Config,
    saved: Checkpoint | None,
    pipelines: Pipelines,
    labelled: LabeledDataset,
    accelerator: Accelerator,
    debugging: str | None = None,
) -> tuple[Config, LabeledDataset]:
    """Find the size of a config of `with_first_try`; returns the config, and the data with a note for the log.

    Args:
        saved: what the run resumes from; it says with which size that began.
        debugging: as for `train`: such a run finds the size, and then takes fewer samples on a CPU.

    Raises:
        UserError: not even one sample fits, micro_batch_size has set what is looked for, or the processes cannot share
            the size that the run began with.
    """
    recorded = None if saved is None else saved.state["config"].get("batch_size")
    if isinstance(recorded, int):
        size, note = recorded, f'batch_size "auto": {recorded}, as it was found when the run began'
    else:
        size, note = _found(config, pipelines, labelled, accelerator)
    config = _with_size(config, size)
    config = debug.with_small_batch(config) if debugging else config
    micro_batch_size = agreement.on_every_process(lambda: check_accelerator(accelerator, config))
    configure_ddp(accelerator, config, micro_batch_size)
    return config, replace(labelled, notes=(*labelled.notes, note))


def _found(config: Config, pipelines: Pipelines, labelled: LabeledDataset, accelerator: Accelerator) -> tuple[int, str]:
    """Find the largest batch that fits on every process, and the line for the log."""
    if config.micro_batch_size is not None:
        raise UserError(
            f'batch_size: "auto" looks for the largest forward pass that fits, and micro_batch_size '
            f"{config.micro_batch_size} has set it; give batch_size a number, or leave micro_batch_size out"
        )
    world = accelerator.num_processes
    rows = len(labelled.splits["train"]) // world  # a larger batch would be filled up with padding
    first = min(config.samples_per_step // world, 2 ** int(math.log2(max(rows, 1))))
    here = agreement.on_every_process(lambda: _search(config, pipelines, labelled, accelerator, first))
    size = min(gather_object([here]))
    return size * world, _note(config, size, first, world, accelerator.device.type)


def _with_size(config: Config, batch_size: int) -> Config:
    return config.model_copy(update={"batch_size": batch_size})


def _search(
    config: Config, pipelines: Pipelines, labelled: LabeledDataset, accelerator: Accelerator, first: int
) -> int:
    """Halve until a step on this process fits. Returns its number of samples."""
    trial = Trial(config, pipelines, accelerator, labelled, config.samples_per_step // accelerator.num_processes)
    size, smallest = first, 2 if config.mixing else 1
    while not trial.fits(size):
        if size <= smallest:
            raise UserError(describe(size, 1, accelerator.device))
        size //= 2
    return size


def _note(config: Config, size: int, first: int, world: int, device: str) -> str:
    """One line for the log: what fits, and what to write to keep it."""
    largest = f"{size} samples" + (f" on each of {world} processes" if world > 1 else "")
    how = "the first size tried" if size == first else f"the largest that fits, halved from {first}"
    return (
        f'batch_size "auto": {largest} ({how}, on {device}); to keep it, write "batch_size": {size * world}. '
        f"The learning rate is the config's and does not change with it: {config.optimizer.lr:g}"
    )
