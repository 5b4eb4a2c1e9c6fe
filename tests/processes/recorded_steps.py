"""One process of several: trains some configs one after another, and leaves behind what their steps were made of.

The run's own objects and steps, without evaluation and checkpoints, which cost more than the training here. Runs under
any launcher: recorded_steps.py JOB, where JOB is the path of a JSON file {"config": keys, "scenarios": {name: keys}}.

Each process R writes RUN/NAME/R.safetensors and R.json. Of the first and the last step of each epoch: the state before
it, the gradients as the optimizer gets them, the rows and ids of this process's micro-batches and the tasks' weights;
then the state that the run ends with, and its average.
"""

import gc
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from balanced_steps import train
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights

from mtl_accel import config as config_module
from mtl_accel import models
from mtl_accel.config import Config
from mtl_accel.data.labels.dataset import LabeledDataset, read_dataset
from mtl_accel.launching.accelerator import start_accelerator
from mtl_accel.models.base import Pair
from mtl_accel.models.heads import Heads, linear
from mtl_accel.objective.balancing import GradientBalancer
from mtl_accel.runs.log import RunLog
from mtl_accel.training import engine
from mtl_accel.training.build import build_run
from mtl_accel.training.loaders import build_pipelines
from mtl_accel.training.run import Run


class Smooth(Pair):
    """Two convolutions. Smooth, since the gradient of ReLU jumps where float32 and float64 round to two sides of 0."""

    pretrained = ResNet18_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        blocks = [layer for sizes in ((3, 8), (8, 16)) for layer in self.block(*sizes)]
        self.backbone = nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.heads = Heads({name: linear(16, n) for name, n in num_outputs.items()})

    def block(self, num_in: int, num_out: int) -> list[nn.Module]:
        return [nn.Conv2d(num_in, num_out, 3, stride=2), nn.SiLU()]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return self.heads(self.backbone(images))


class SmoothNormed(Smooth):
    """The same with BatchNorm, before which a bias would have no gradient but rounding."""

    def block(self, num_in: int, num_out: int) -> list[nn.Module]:
        return [nn.Conv2d(num_in, num_out, 3, stride=2, bias=False), nn.BatchNorm2d(num_out), nn.SiLU()]


class Recorder:
    """Looks at the steps of one run; the run itself is untouched."""

    def __init__(self, run: Run) -> None:
        self.run, self.objective = run, run.unwrapped_objective
        self.tensors: dict[str, Tensor] = {}
        self.steps: list[dict[str, Any]] = []
        self.recording = False
        run.optimizer.optimizer.register_step_pre_hook(self.before_optimizer)

    def note(self, part: str, tensors: dict[str, Tensor]) -> None:
        """Copies of tensors, under their names after `part`."""
        self.tensors |= {f"{part}/{name}": tensor.detach().clone().contiguous() for name, tensor in tensors.items()}

    def before(self, epoch: int, step: int, batches: list) -> None:
        """Before the forward pass of a step."""
        self.recording = step in (0, self.run.train_loader.order.num_steps - 1)
        if self.recording:
            rows, ids = ([getattr(batch.key, name).tolist() for batch in batches] for name in ("rows", "ids"))
            self.steps.append({"epoch": epoch, "step": step, "rows": rows, "ids": ids})
            self.note(f"{epoch}.{step}/before", self.objective.state_dict())

    def before_optimizer(self, *_) -> None:
        if self.recording:
            place = "{epoch}.{step}".format(**self.steps[-1])
            gradients = {n: p.grad for n, p in self.objective.named_parameters() if p.grad is not None}
            self.note(f"{place}/gradient", gradients)
            self.steps[-1]["weights"] = self.weights(place)

    def weights(self, place: str) -> list[float] | None:
        """The tasks' weights of this step, as the balancer has them; None where they are no state of its own."""
        balancer = self.objective.balancer
        if isinstance(balancer, GradientBalancer):
            return (balancer.weight_sum - self.tensors[f"{place}/before/balancer.weight_sum"]).tolist()
        return balancer.weights.tolist() if hasattr(balancer, "weights") else None

    def write(self, folder: Path) -> None:
        self.note("final", self.objective.model.state_dict())
        if self.run.average is not None:
            self.note("average", self.run.average.state_dict())
        rank = self.run.accelerator.process_index
        save_file(self.tensors, folder / f"{rank}.safetensors")
        is_group = torch.distributed.is_initialized()
        record = {"world": self.run.accelerator.num_processes, "is_group": is_group, "steps": self.steps}
        (folder / f"{rank}.json").write_text(json.dumps(record))


def recorded(run_step: Callable, recorder: Recorder) -> Callable:
    """The step, with a look at what it starts from."""

    def look_and_step(run, epoch, step, batches, counts):
        recorder.before(epoch, step, batches)
        return run_step(run, epoch, step, batches, counts)

    return look_and_step


def record_one(config: Config, labelled: LabeledDataset) -> Accelerator:
    accelerator, micro_batch_size = start_accelerator(config)
    run_dir, unrecorded = Path(config.run_dir), engine.forward_backward
    run_dir.mkdir(parents=True, exist_ok=True)
    log, pipelines = RunLog(run_dir, accelerator), build_pipelines(config)
    run = build_run(config, pipelines, accelerator, labelled, micro_batch_size, log)
    recorder = Recorder(run)
    engine.forward_backward = recorded(unrecorded, recorder)
    train(run)
    engine.forward_backward = unrecorded
    recorder.write(run_dir)
    accelerator.free_memory()
    return accelerator


def record(path: str) -> None:
    """All scenarios of a job."""
    job = json.loads(Path(path).read_text())
    models.MODELS |= {"smooth": Smooth, "smooth_normed": SmoothNormed}
    run_dir = Path(job["config"]["run_dir"])
    changed = {name: {"run_dir": str(run_dir / name), **keys} for name, keys in job["scenarios"].items()}
    configs = [config_module.validate(job["config"] | keys, name) for name, keys in changed.items()]
    labelled = read_dataset(configs[0])
    gc.freeze()  # free_memory collects garbage, which would look through all imported modules for 0.3 s each time
    accelerators = [record_one(config, labelled) for config in configs]
    accelerators[-1].end_training()


if __name__ == "__main__":
    record(sys.argv[1])
