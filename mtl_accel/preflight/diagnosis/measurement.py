"""A few steps of the config's network on random pictures: what an image costs in time and memory here."""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from ... import models
from ...config import Config
from ...config.sections.tasks import task_heads
from ...core.tasks import Task
from ...models.gradient_checkpointing import checkpoint_gradients
from ...training.memory.out_of_memory import count_kept_bytes

_MIN_BATCH_SIZE, _MAX_BATCH_SIZE = 2, 32  # BatchNorm cannot do with one picture
_PIXELS = 2 * 224 * 224  # of a batch: a large network takes seconds for each picture of this size on a CPU
_MAX_STEPS, _SECONDS = 10, 1.0  # after the first step, and one at least
_CPU = Path("/proc/cpuinfo")
_ADAM_STATES = 2  # numbers for each weight that an Adam keeps; others keep no more


class StepCost(NamedTuple):
    """Cost of training, forward and backward.

    `state_bytes`: weights, gradients and states of the optimizer. `bytes_per_image`: what the forward pass keeps for
    the backward pass.
    """

    seconds_per_image: float
    bytes_per_image: float
    state_bytes: int
    num_steps: int
    batch_size: int
    device: str


def measure_step(config: Config, tasks: Mapping[str, Task], size: tuple[int, int]) -> StepCost:
    """Measure steps on pictures of this height and width; the network has random weights.

    Raises:
        UserError: the network cannot be built.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    outputs = {name: task.num_outputs for name, task in tasks.items()}
    batch_size = min(max(_PIXELS // (size[0] * size[1]), _MIN_BATCH_SIZE), _MAX_BATCH_SIZE)
    with torch.random.fork_rng(devices=[]):
        model = models.build_pair(config.model, outputs, None, task_heads(config.tasks))
        images = torch.rand(batch_size, 3, *size).to(device)
    if config.model.gradient_checkpointing:
        checkpoint_gradients(model)
    model = model.to(device).to(memory_format=torch.channels_last).train()
    kept = _kept_bytes(model, images)  # also the first step, which is slower than the others
    times: list[float] = []
    while not times or (sum(times) < _SECONDS and len(times) < _MAX_STEPS):
        start = time.perf_counter()
        _loss(model, images).backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    threads = f"{torch.get_num_threads()} threads of {_processor()}"
    return StepCost(
        seconds_per_image=min(times) / batch_size,
        bytes_per_image=kept / batch_size,
        state_bytes=(2 + _ADAM_STATES) * weights,
        num_steps=len(times),
        batch_size=batch_size,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else threads,
    )


def _loss(model: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    return torch.stack([logits.float().square().mean() for logits in model(images).values()]).sum()


def _kept_bytes(model: torch.nn.Module, images: torch.Tensor) -> int:
    """Bytes that one forward pass keeps for its backward pass, the weights left out."""
    with count_kept_bytes(model.parameters()) as storages:
        loss = _loss(model, images)
    loss.backward()
    return sum(storages.values())


def _processor() -> str:
    """Name of the processor, from where Linux tells it."""
    lines = _CPU.read_text(encoding="utf-8", errors="replace").splitlines() if _CPU.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
