"""Finds the batch size of a config and prints it: CONFIG, and MEGABYTES that the process may take more than it has.

MEGABYTES 0: torch's allocator runs out of memory in a step of more than 8 samples, for it is asked for an exabyte.
Near a limit of the process other parts than the allocator fail first, each in its own way, and not each time.
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import small_run
import torch

from mtl_accel import config as config_module
from mtl_accel import models
from mtl_accel.launching.accelerator import start_accelerator
from mtl_accel.training.loaders import read_pipelines_and_data
from mtl_accel.training.memory import auto_batch, trial


def needs_an_exabyte(step: Callable) -> Callable:
    """The step; of more than 8 samples it asks for more than there is."""

    def run(self: trial.Trial, size: int) -> int:
        if size > 8:
            torch.empty(1 << 60, dtype=torch.uint8)
        return step(self, size)

    return run


def main(path: str, megabytes: str) -> None:
    models.MODELS["small"] = small_run.Small
    config = auto_batch.with_first_try(config_module.validate(config_module.read_json(Path(path)), path))
    accelerator, _ = start_accelerator(config)
    pipelines, labelled = read_pipelines_and_data(config)
    warm = trial.Trial(config, pipelines, accelerator, labelled, config.samples_per_step)
    assert warm.fits(2)  # whatever libraries take once
    if int(megabytes):
        limit = psutil.Process().memory_info().vms + int(megabytes) * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    else:
        trial.Trial._train_step = needs_an_exabyte(trial.Trial._train_step)
    print(auto_batch.resolve(config, None, pipelines, labelled, accelerator)[0].samples_per_step)


if __name__ == "__main__":
    main(*sys.argv[1:])
