"""Start-up, time an image and memory of a run in a fresh process, and how they grow with the number of images."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from ...config import Config
from ...core.errors import UserError
from ...core.memory import peak_bytes
from ...data.loading.broken_images import read_training_data
from ...launching.interrupts import Interrupts
from ...training import engine
from ...training.checkpointing import Checkpoints
from ...training.loaders import build_loaders, read_pipelines_and_data
from ...training.run import Run
from .clock import synchronize
from .fresh_process import in_fresh_process
from .prepare import prepare_run, start_accelerator
from .settings import Settings

_STATUS = Path("/proc/self/status")


class _StopAfter(Interrupts):
    """Asks the loop to stop, as a signal would, and notes when the first step had been done."""

    def __init__(self, run: Run, steps: int) -> None:
        super().__init__(environment={})
        self.run, self.steps = run, steps
        self.first_step_end: float | None = None

    @property
    def stop_requested(self) -> bool:
        """The loop asks at the end of each step."""
        if self.first_step_end is None:
            synchronize(self.run.accelerator.device)
            self.first_step_end = time.perf_counter()
        return self.run.progress.step + 1 >= self.steps


def measure_start(config: Config, settings: Settings) -> dict[str, float | None]:
    """Time that `train` takes until its first step is done, then for an image of about `steps` steps, and its memory.

    To be called in a process that has done nothing else.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        config = config.model_copy(update={"run_dir": folder, "trackers": ()})
        accelerator, micro_batch_size = start_accelerator(config)
        run = prepare_run(config, accelerator, read_training_data(config), micro_batch_size)
        stop = _StopAfter(run, settings.steps)
        engine.train_epoch(run, Checkpoints(config, fingerprint=""), stop)
        synchronize(accelerator.device)
        end = time.perf_counter()
    assert stop.first_step_end is not None
    order = run.train_loader.order
    images = min(run.progress.step * order.batch_size, order.num_samples) - order.batch_size
    return {
        "start_seconds": stop.first_step_end - begin,
        "seconds_per_image": (end - stop.first_step_end) / images if images > 0 else None,
        **_memory_mb(accelerator.device),
    }


def _memory_mb(device: torch.device) -> dict[str, float | None]:
    """Memory of this process in megabytes: the host's peak, its own part of it now, and the device's peak.

    Pages of a memory-mapped cache count for the peak while they are in memory, but the system takes them back
    when it needs them; they are no part of `own`. Loader workers are not counted.
    """
    own = None
    if _STATUS.exists():  # not getrusage, whose peak is inherited from the process that started this one
        fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        peak, own = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "RssAnon"))
    else:
        peak = peak_bytes() / 1e6
    on_device = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None
    return {"peak_host_memory_mb": peak, "own_host_memory_mb": own, "peak_device_memory_mb": on_device}


def fill_caches(config: Config) -> None:
    """Draw, decode and store what the config's data need, so that the next start finds it."""
    accelerator, micro_batch_size = start_accelerator(config)
    pipelines, labelled = read_pipelines_and_data(config)
    build_loaders(config, pipelines, accelerator, labelled, micro_batch_size)


def check_scale(config: Config, settings: Settings) -> None:
    """Raises UserError for a size of less than two batches, whose steps could not be timed."""
    small = [size for size in settings.scale if size < 2 * config.samples_per_step]
    if small:
        raise UserError(
            f"--scale: {small} images are less than two batches of {config.samples_per_step}; give larger sizes"
        )


def measure_scale(config: Config, settings: Settings) -> list[dict[str, Any]]:
    """Results of `measure_start` for the wardrobe at each size, each in a fresh process."""
    rows = []
    for size in settings.scale:
        wardrobe = config.data.wardrobe.model_copy(update={"num_train": size})
        data = config.data.model_copy(update={"source": "wardrobe", "wardrobe": wardrobe, "max_images": None})
        sized = config.model_copy(update={"data": data, "trackers": ()})
        fill_caches(sized)
        rows.append({"images": size, **in_fresh_process(measure_start, sized, settings)})
    return rows
