"""From the splits of a source to the loaders of a run: where pictures come from, and which transforms run where."""

from __future__ import annotations

import logging

import torch
from accelerate import Accelerator

from .. import models
from ..config import Config
from ..config.transforms import cached_prefix
from ..core import atomic_io
from ..core.errors import UserError
from ..data.labels.dataset import LabeledDataset
from ..data.loading import sampler
from ..data.loading.loader import EvaluationLoader, MicroBatches, TrainingLoader, TrainingOrder
from ..data.loading.pixel_cache import open_pixels
from ..data.transforms.augment import Augmentation
from ..data.transforms.mixing import Mixing, mixing_of
from ..data.transforms.per_sample import PerSample, per_sample

logger = logging.getLogger(__name__)


def loaders(
    config: Config, accelerator: Accelerator, labelled: LabeledDataset, micro_batch_size: int
) -> tuple[TrainingLoader, EvaluationLoader]:
    """The loaders of training and validation, their pictures cached as the config asks.

    Raises:
        UserError: torchvision refuses a transform, pictures cannot be decoded, the disk is too small, or there is
            no partner to mix a sample with.
    """
    before = per_sample(config.transforms.train, config.seed)
    mixing = mixing_of(config.mixing, config.seed, train_transforms(config, before).output_size, micro_batch_size)
    train = _micro_batches("train", config, labelled, accelerator, before, mixing)
    validation = _micro_batches("validation", config, labelled, accelerator, None, None)
    weights = sampler.weights(config.data.sampler, labelled.tasks, labelled.targets["train"])
    order = TrainingOrder(len(train.pixels), config.batch_size, micro_batch_size, config.seed, weights)
    place = accelerator.process_index, accelerator.num_processes
    how = config.data.num_workers, accelerator.device
    return TrainingLoader(train, order, *place, *how), EvaluationLoader(validation, micro_batch_size, *place, *how)


def train_transforms(config: Config, before: PerSample | None) -> Augmentation:
    """The transforms that are left for batches on the device; `before` are those that the loader has done."""
    if before is None:
        return Augmentation(config.transforms.train, config.seed)
    return Augmentation(config.transforms.train, config.seed, start=before.end, size=before.output_size)


def check_pictures(config: Config) -> None:
    """Tell before anything is read what torchvision or the network would refuse later.

    Raises:
        UserError: a transform's arguments, the pair, its backbone, or the size of its pictures.
    """
    before = per_sample(config.transforms.train, config.seed)
    sizes = {
        "transforms.train": train_transforms(config, before).output_size,
        "transforms.eval": cached_prefix(config.transforms.eval)[-1].size,
    }
    found = models.problems(config.model.name, config.model.backbone, sizes)
    if found:
        raise UserError(found)


def slow_transforms(config: Config, before: PerSample) -> str:
    """One line for the log: what makes the run slower, and where it runs."""
    number = config.data.num_workers
    workers = f"{number} loader worker{'s' if number != 1 else ''}" if number else "the training process"
    return (
        f"{', '.join(before.names)}: torchvision's own, picture by picture on the CPU in {workers} of each process; "
        "slower than the transforms that run in batches on the device (data.num_workers sets the workers)"
    )


def cache_in_use(cache: str, device: torch.device, before: PerSample | None) -> str:
    """The cache of pictures that transforms on the CPU may have to read."""
    if cache != "device" or before is None or device.type == "cpu":
        return cache
    logger.warning(
        "data.cache 'device': %s of transforms.train runs on the CPU, which cannot read pictures from %s; "
        "reading those of train from disk instead",
        *(", ".join(before.names), device),
    )
    return "disk"


def _micro_batches(
    split: str,
    config: Config,
    labelled: LabeledDataset,
    accelerator: Accelerator,
    before: PerSample | None,
    mixing: Mixing | None,
) -> MicroBatches:
    transforms = config.transforms.train if split == "train" else config.transforms.eval
    pixels = open_pixels(
        labelled.splits[split],
        cached_prefix(transforms),
        name=split,
        cache=cache_in_use(config.data.cache, accelerator.device, before),
        fingerprint=labelled.fingerprint,
        folder=atomic_io.cache_dir(config.data.cache_dir) / "pixels",
        num_workers=config.data.num_workers,
        device=accelerator.device,
    )
    return MicroBatches(pixels, labelled.targets[split], before, mixing)
