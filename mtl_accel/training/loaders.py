"""Loaders of a run: where images come from, and which transforms run where."""

from __future__ import annotations

import logging
from typing import NamedTuple

import torch
from accelerate import Accelerator

from .. import models
from ..config import Config
from ..core import atomic_io
from ..core.errors import UserError, collect
from ..data.labels.dataset import LabeledDataset
from ..data.loading import sampler
from ..data.loading.loader import EvaluationLoader, MicroBatches, TrainingLoader, TrainingOrder
from ..data.loading.pixel_cache import open_pixels
from ..data.transforms.mixing import Mixing, build_mixing
from ..data.transforms.per_sample import PerSample
from ..data.transforms.pipeline import ImagePipeline

logger = logging.getLogger(__name__)


class Pipelines(NamedTuple):
    """Image pipelines of `config.transforms`."""

    train: ImagePipeline
    eval: ImagePipeline


def build_pipelines(config: Config) -> Pipelines:
    """Build the image pipelines of a run, before anything is read.

    Raises:
        UserError: torchvision refuses a transform's arguments, or there is something wrong with the pair, its backbone
            or the size of its pictures.
    """
    pipelines = Pipelines(
        ImagePipeline.from_transforms(config.transforms.train, config.seed),
        ImagePipeline.from_transforms(config.transforms.eval, config.seed),
    )
    sizes = {
        "transforms.train": pipelines.train.model_input_size,
        "transforms.eval": pipelines.eval.model_input_size,
    }
    problems = models.pair_problems(config.model.name, config.model.backbone, sizes)
    if problems:
        raise UserError(problems)
    return pipelines


def build_loaders(
    config: Config, pipelines: Pipelines, accelerator: Accelerator, labelled: LabeledDataset, micro_batch_size: int
) -> tuple[TrainingLoader, EvaluationLoader]:
    """Build the loaders of training and validation, their images cached as the config asks.

    Raises:
        UserError: images cannot be decoded, the disk is too small, or there is no partner to mix a sample with.
    """
    mixing = build_mixing(config.mixing, config.seed, pipelines.train.model_input_size, micro_batch_size)
    problems: list[str] = []
    with collect(problems):
        train = _micro_batches("train", config, pipelines.train, labelled, accelerator, mixing)
    with collect(problems):
        validation = _micro_batches("validation", config, pipelines.eval, labelled, accelerator, None)
    if problems:
        raise UserError(problems)
    weights = sampler.sample_weights(config.data.sampler, labelled.tasks, labelled.targets["train"])
    order = TrainingOrder(len(train.pixels), config.batch_size, micro_batch_size, config.seed, weights)
    process = accelerator.process_index, accelerator.num_processes
    options = config.data.num_workers, accelerator.device
    return TrainingLoader(train, order, *process, *options), EvaluationLoader(
        validation, micro_batch_size, *process, *options
    )


def slow_transforms_message(per_sample: PerSample, num_workers: int) -> str:
    """One line for the log: which transforms make the run slower, and where they run."""
    plural = "s" if num_workers != 1 else ""
    workers = f"{num_workers} loader worker{plural}" if num_workers else "the training process"
    return (
        f"{', '.join(per_sample.names)}: torchvision's own, picture by picture on the CPU in {workers} of each "
        "process; slower than the transforms that run in batches on the device (data.num_workers sets the workers)"
    )


def cache_in_use(cache: str, device: torch.device, per_sample: PerSample | None) -> str:
    """Return the cache of a split's images: that of the config, unless transforms on the CPU could not read it."""
    if cache != "device" or per_sample is None or device.type == "cpu":
        return cache
    logger.warning(
        "data.cache 'device': %s of transforms.train runs on the CPU, which cannot read pictures from %s; "
        "reading those of train from disk instead",
        *(", ".join(per_sample.names), device),
    )
    return "disk"


def _micro_batches(
    split: str,
    config: Config,
    pipeline: ImagePipeline,
    labelled: LabeledDataset,
    accelerator: Accelerator,
    mixing: Mixing | None,
) -> MicroBatches:
    pixels = open_pixels(
        labelled.splits[split],
        pipeline.cached,
        name=split,
        cache=cache_in_use(config.data.cache, accelerator.device, pipeline.per_sample),
        fingerprint=labelled.fingerprint,
        folder=atomic_io.cache_dir(config.data.cache_dir) / "pixels",
        num_workers=config.data.num_workers,
        device=accelerator.device,
    )
    return MicroBatches(pixels, labelled.targets[split], pipeline.per_sample, mixing)
