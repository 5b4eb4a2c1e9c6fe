"""Preparation of a measurement: the Accelerator, a part of the data, a run as `train` builds it, temporary folders."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from accelerate import Accelerator

from ...config import Config
from ...core import atomic_io
from ...data.labels.dataset import LabeledDataset
from ...launching import accelerator as launching
from ...runs.log import RunLog
from ...training.build import build_run
from ...training.loaders import build_pipelines, source_size
from ...training.run import Run


def start_accelerator(config: Config) -> tuple[Accelerator, int]:
    """The Accelerator and the micro-batch size that `train` would have."""
    return launching.start_accelerator(config, cache=atomic_io.cache_dir(config.data.cache_dir))


def prepare_run(config: Config, accelerator: Accelerator, labelled: LabeledDataset, micro_batch_size: int) -> Run:
    """The run that `train` would build, with its records in the config's run folder."""
    log = RunLog(Path(config.run_dir), accelerator)
    pipelines = build_pipelines(config, source_size(config, labelled))
    return build_run(config, pipelines, accelerator, labelled, micro_batch_size, log)


@contextmanager
def temporary_folders(config: Config) -> Iterator[Config]:
    """The config with a run folder and a pixel cache of its own, on the disk of the configured cache."""
    parent = atomic_io.cache_dir(config.data.cache_dir)
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=parent, prefix="benchmark-") as folder:
        run_dir = Path(folder) / "run"
        run_dir.mkdir()
        data = config.data.model_copy(update={"cache_dir": folder})
        yield config.model_copy(update={"run_dir": str(run_dir), "data": data, "trackers": ()})


def subset(labelled: LabeledDataset, num_train: int) -> LabeledDataset:
    """Select `num_train` training rows, spread over the split, and as large a part of the validation rows."""
    sizes = {split: len(labelled.splits[split]) for split in ("train", "validation")}
    share = num_train / sizes["train"]
    for split, size in sizes.items():
        rows = np.linspace(0, size - 1, max(round(share * size), 1)).astype(np.int64)
        labelled = labelled.select(split, rows)
    return labelled


def whole_batches(images: float, batch_size: int, available: int) -> int:
    """The nearest number of images that makes whole batches, one at least, or all images that there are."""
    batches = min(max(round(images / batch_size), 1), available // batch_size)
    return batches * batch_size or available
