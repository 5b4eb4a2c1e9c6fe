"""One process of several: trains a config anew for each of some ways to balance, and leaves the weights behind.

The run's own objects and steps, without evaluation and checkpoints, which cost more than the training here.
"""

import gc
import json
import os
from pathlib import Path

import small_run
from pydantic import TypeAdapter
from safetensors.torch import save_file

from mtl_accel import config as config_module
from mtl_accel import models
from mtl_accel.config.sections.balancing import Balancing
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.launching.accelerator import configure_ddp, start_accelerator
from mtl_accel.launching.interrupts import Interrupts
from mtl_accel.runs.log import RunLog
from mtl_accel.training import engine
from mtl_accel.training.build import build_run
from mtl_accel.training.checkpointing import Checkpoints
from mtl_accel.training.loaders import build_pipelines
from mtl_accel.training.run import Run


def main(command: list[str], environment: dict[str, str], printed: Path) -> None:
    """command: path of a config, {name: balancing} as JSON. Writes RUN/NAME.safetensors for each."""
    os.environ.update(environment)
    with printed.open("a") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    models.MODELS["without"] = small_run.Without
    config = config_module.validate(config_module.read_json(Path(command[0])), command[0])
    accelerator, micro_batch_size = start_accelerator(config)
    run_dir = Path(config.run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    labelled = read_dataset(config)
    gc.freeze()  # free_memory collects garbage, which would look through all imported modules for 0.3 s each time
    for name, balancing in json.loads(command[1]).items():
        changed = config.model_copy(update={"balancing": TypeAdapter(Balancing).validate_python(balancing)})
        configure_ddp(accelerator, changed, micro_batch_size)
        log, pipelines = RunLog(run_dir, accelerator), build_pipelines(changed)
        run = build_run(changed, pipelines, accelerator, labelled, micro_batch_size, log)
        train(run)
        if accelerator.is_main_process:
            state = run.unwrapped_objective.model.state_dict()
            save_file({key: tensor.contiguous() for key, tensor in state.items()}, run_dir / f"{name}.safetensors")
        accelerator.free_memory()
    accelerator.end_training()


def train(run: Run) -> None:
    interrupts = Interrupts(environment={})
    for _ in range(run.config.epochs):
        assert engine.train_epoch(run, Checkpoints(run.config, ""), interrupts)
        run.progress.epoch, run.progress.step = run.progress.epoch + 1, 0
        run.schedule.after_epoch()
        run.balancer.end_epoch()
