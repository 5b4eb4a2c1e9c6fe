"""Start-up and memory of a run: to be called in a process that has done nothing else."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ..config import Config
from ..data.labels.dataset import read_dataset
from ..launching.interrupts import Interrupts
from ..runs.log import RunLog
from ..training import engine
from ..training.build import build_run
from ..training.checkpointing import Checkpoints
from ..training.loaders import build_pipelines
from ..training.run import Run
from .clock import synchronize
from .memory import memory_mb
from .workplace import accelerator_of


class _StopAfter(Interrupts):
    """Asks the loop to stop, as a signal would, and notes when the first step had been done."""

    def __init__(self, run: Run, steps: int) -> None:
        super().__init__(environment={})
        self.run, self.steps = run, steps
        self.first: float | None = None

    @property
    def stop_requested(self) -> bool:
        """The loop asks at the end of each step."""
        if self.first is None:
            synchronize(self.run.accelerator.device)
            self.first = time.perf_counter()
        return self.run.progress.step + 1 >= self.steps


def measure_start(config: Config, steps: int) -> dict[str, float | None]:
    """What `train` does before its first step and in about so many steps of an epoch, and the memory that it takes."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        config = config.model_copy(update={"run_dir": folder, "trackers": ()})
        accelerator, micro_batch_size = accelerator_of(config)
        labelled = read_dataset(config)
        log = RunLog(Path(folder), accelerator)
        run = build_run(config, build_pipelines(config), accelerator, labelled, micro_batch_size, log)
        stop = _StopAfter(run, steps)
        engine.train_epoch(run, Checkpoints(config, labelled.fingerprint), stop)
        synchronize(accelerator.device)
        end = time.perf_counter()
    assert stop.first is not None
    order = run.train_loader.order
    images = min(run.progress.step * order.batch_size, order.num_samples) - order.batch_size
    return {
        "start_seconds": stop.first - begin,
        "seconds_per_image": (end - stop.first) / images if images > 0 else None,
        **memory_mb(accelerator.device),
    }
