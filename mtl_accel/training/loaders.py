"""Loaders of a run: where images come from, and which transforms run where."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

import torch
from accelerate import Accelerator

from .. import models
from ..config import Config
from ..config.sections.picture_sizes import PictureSize, needs_source_size
from ..config.sections.tasks import task_heads
from ..config.sections.transforms import SeveralCrops
from ..core import atomic_io
from ..core.errors import UserError, collect
from ..data.labels.dataset import LabeledDataset
from ..data.loading import sampler
from ..data.loading.broken_images import read_training_data
from ..data.loading.decoding import decode
from ..data.loading.loader import EvaluationLoader, MicroBatches, TrainingLoader, TrainingOrder
from ..data.loading.pixel_cache import open_pixels
from ..data.transforms.crops import ExtraViews, num_crops
from ..data.transforms.mixing import Mixing, build_mixing
from ..data.transforms.per_sample import PerSample
from ..data.transforms.pipeline import ImagePipeline

logger = logging.getLogger(__name__)


class Pipelines(NamedTuple):
    """Image pipelines of `config.transforms`."""

    train: ImagePipeline
    eval: ImagePipeline


def read_pipelines_and_data(config: Config) -> tuple[Pipelines, LabeledDataset]:
    """Build the image pipelines of a run, and read its data; so the former before anything is read, where they can.

    Raises:
        UserError: what `build_pipelines` and `read_training_data` raise, or the first picture cannot be decoded.
    """
    if not _need_source_size(config):
        pipelines = build_pipelines(config)
        return pipelines, read_training_data(config)
    labelled = read_training_data(config)
    size = source_size(config, labelled)
    note = f"transforms: no Resize comes first, so all pictures must be {list(size or ())}, as the first one is"
    return build_pipelines(config, size), replace(labelled, notes=(*labelled.notes, note))


def _need_source_size(config: Config) -> bool:
    return any(map(needs_source_size, (config.transforms.train, config.transforms.eval)))


def source_size(config: Config, labelled: LabeledDataset) -> PictureSize | None:
    """[height, width] of the first picture in training; None where the transforms take pictures of any size.

    Raises:
        UserError: it cannot be decoded.
    """
    if not _need_source_size(config):
        return None
    first = labelled.splits["train"].select_columns(["id", "image"])[0]
    image = decode(first["image"], place=f"train, id {first['id']}")
    return image.height, image.width


def build_pipelines(config: Config, source_size: PictureSize | None = None) -> Pipelines:
    """Build the image pipelines of a run.

    Args:
        source_size: [height, width] of all pictures, for transforms that bring them to no size of their own.

    Raises:
        UserError: torchvision refuses a transform's arguments, or there is something wrong with the pair, its backbone
            or the size of its pictures.
    """
    pipelines = Pipelines(
        ImagePipeline.from_transforms(config.transforms.train, config.seed, source_size),
        ImagePipeline.from_transforms(config.transforms.eval, config.seed, source_size),
    )
    sizes = {
        "transforms.train": pipelines.train.model_input_size,
        "transforms.eval": pipelines.eval.model_input_size,
    }
    heads = task_heads(config.tasks)
    problems = models.pair_problems(config.model, sizes, heads) or models.building_problems(config.model, heads)
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
    order = TrainingOrder(len(train.pixels), config.samples_per_step, micro_batch_size, config.seed, weights)
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
        f"{', '.join(per_sample.names)}: {per_sample.reason}, picture by picture on the CPU in {workers} of each "
        "process; slower than the transforms that run in batches on the device (data.num_workers sets the workers)"
    )


def several_crops_message(crops: SeveralCrops | ExtraViews) -> str:
    """One line for the log: what evaluation costs."""
    return (
        f"{crops.name}: evaluation takes the mean of the logits of {num_crops(crops)} crops of each picture, and so "
        f"{num_crops(crops)} times as long as with CenterCrop"
    )


def cache_in_use(cache: str, device: torch.device, per_sample: PerSample | None, split: str = "train") -> str:
    """Return the cache of a split's images: that of the config, unless transforms on the CPU could not read it."""
    if cache != "device" or per_sample is None or device.type == "cpu":
        return cache
    logger.warning(
        "data.cache 'device': %s of transforms.%s runs on the CPU, which cannot read pictures from %s; "
        "reading those of %s from disk instead",
        *(", ".join(per_sample.names), "train" if split == "train" else "eval", device, split),
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
        cache=cache_in_use(config.data.cache, accelerator.device, pipeline.per_sample, split),
        fingerprint=labelled.fingerprint,
        folder=atomic_io.cache_dir(config.data.cache_dir) / "pixels",
        num_workers=config.data.num_workers,
        device=accelerator.device,
    )
    return MicroBatches(pixels, labelled.targets[split], pipeline.per_sample, mixing)
