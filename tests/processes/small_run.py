"""launch/train.py with one more pair, small enough for tests that start many processes; can write down each step.

Takes several configs, one after another: starting a process costs more than training here. With TRACE set, each
process writes one JSON line a step into the run folder: ids, the augmentation's parameters and the losses.
FAIL_ON_RANK=R raises on process R in its third step, of the epoch FAIL_IN_EPOCH (0). NAN_AT_STEP=K makes the images
of step K NaN. With MEMORY set, a line a step in memory.txt says how many bytes are the process's own; LEAK=N keeps N
bytes more of each step. NOFILE=N: a process may have so many files open. GIVEN=FILE: train on the frame in this
Parquet file. With NOSY set, a callback looks at everything.
"""

import json
import multiprocessing
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import torch
from nosy import Nosy
from torch import nn
from torchvision.models import ResNet18_Weights

from mtl_accel import config as config_module
from mtl_accel import models
from mtl_accel.cli import console
from mtl_accel.models.base import Pair
from mtl_accel.models.heads import Heads, linear
from mtl_accel.preflight.learning_rate import range_test
from mtl_accel.training import engine
from mtl_accel.training.train import train


class Small(Pair):
    """Two convolutions with BatchNorm and dropout.

    Without biases: before BatchNorm their gradient is 0 but for rounding, which Adam would blow up to full steps.
    """

    pretrained = ResNet18_Weights

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Conv2d(8, 16, 3, stride=2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.heads = Heads({name: linear(16, n) for name, n in num_outputs.items()})

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return self.heads(self.backbone(images))


class Without(Small):
    """The same without anything that depends on the micro-batch."""

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__(num_outputs, weights)
        kept = [m for m in self.backbone if not isinstance(m, nn.BatchNorm2d | nn.Dropout)]
        self.backbone = nn.Sequential(*kept)


class Deep(Small):
    """A pair that can learn a batch by heart: no dropout, and wide enough."""

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__(num_outputs, weights)
        flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 64), nn.ReLU(), nn.Linear(64, 16), nn.ReLU())
        self.backbone = flat


LEAKED: list[bytes] = []


def note_memory(run_dir: Path) -> None:
    """Write down the memory that is this process's own: files that it has mapped are the system's to drop."""
    LEAKED.append(b"x" * int(os.environ.get("LEAK", 0)))
    taken = psutil.Process().memory_info()
    with (run_dir / "memory.txt").open("a") as file:
        file.write(f"{taken.rss - taken.shared}\n")


def traced(run_step: Callable) -> Callable:
    """The step, written down after it ran; the run itself is untouched."""

    def step_and_note(run, epoch, step, batches, counts):
        rank = run.accelerator.process_index
        fails = step == 2 and epoch == int(os.environ.get("FAIL_IN_EPOCH", 0))
        if os.environ.get("FAIL_ON_RANK") == str(rank) and fails:
            raise RuntimeError(f"injected on process {rank}")
        if os.environ.get("NAN_AT_STEP") == str(step):
            run.unwrapped_objective.model.backbone[0].weight.data[0, 0, 0, 0] = float("nan")
        losses = run_step(run, epoch, step, batches, counts)
        if "MEMORY" in os.environ:
            note_memory(Path(run.config.run_dir))
        if "TRACE" in os.environ:
            drawn = [run.pipelines.train.batched.draw(batch.key.augmentation_ids, epoch) for batch in batches]
            row = {
                "world": run.accelerator.num_processes,
                "epoch": epoch,
                "step": step,
                "ids": [batch.key.ids.tolist() for batch in batches],
                "parameters": [{name: array.tolist() for name, array in d.items()} for d in drawn],
                "losses": run.accelerator.reduce(losses.clone(), reduction="sum").tolist(),
            }
            with (Path(run.config.run_dir) / f"trace{rank}.jsonl").open("a") as file:
                file.write(json.dumps(row) + "\n")
        return losses

    return step_and_note


def train_one(config, options) -> int:
    result = train(
        config,
        resume=str(options.get("resume", "auto")),
        overwrite=bool(options.get("overwrite", False)),
        allow_changes=bool(options.get("resume.allow_changes", False)),
        debugging=options.get("debug"),
        data=pd.read_parquet(os.environ["GIVEN"]) if "GIVEN" in os.environ else None,
        callbacks=[Nosy(Path(f"{config.run_dir}-{os.environ.get('RANK', 0)}.jsonl"))] if "NOSY" in os.environ else (),
    )
    return result.exit_code


def train_all(config, options) -> int:
    paths = filter(None, str(options.get("also", "")).split(os.pathsep))
    others = [config_module.validate(config_module.read_json(Path(path)), path) for path in paths]
    return max([train_one(each, options) for each in (config, *others)])


def main(arguments: list[str], environment: dict[str, str] | None = None, printed: Path | None = None) -> None:
    """The script; a fork of a test's process brings its environment and the file that it prints into."""
    os.environ.update(environment or {})
    sys.argv = arguments
    if printed is not None:
        # Else the loader's workers come from a server of their own, which imports everything for seconds.
        multiprocessing.set_start_method("fork", force=True)
        with printed.open("a") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
    if "NOFILE" in os.environ:
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(os.environ["NOFILE"]),) * 2)
    models.MODELS |= {"small": Small, "without": Without, "deep": Deep}
    engine.forward_backward = traced(engine.forward_backward)
    switches = dict.fromkeys(("config", "also", "resume", "resume.allow_changes", "overwrite", "debug"), "")
    sys.exit(console.run_script("small_run.py", "", switches, train_all))


def find_lr(arguments: list[str], environment: dict[str, str], printed: Path) -> None:
    """A range test in one of several processes; arguments: path of a config, path of the picture."""
    os.environ.update(environment)
    with printed.open("a") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    models.MODELS["small"] = Small
    config = config_module.validate(config_module.read_json(Path(arguments[0])), arguments[0])
    range_test.find_lr(config, steps=20, output=arguments[1])


if __name__ == "__main__":
    main(sys.argv)
