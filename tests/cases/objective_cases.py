"""A model, tasks and a batch with one task for each loss, for the tests of what is made of losses."""

from __future__ import annotations

import torch
from loss_cases import DEFAULTS, KINDS, NUM_CLASSES, OUTPUTS, target_of
from torch import nn

from mtl_accel.core.tasks import Task
from mtl_accel.metrics.registry import primary_metric
from mtl_accel.objective import losses

NUM, WIDTH = 12, 4
LOSSES = {name: losses.LOSSES[name](section) for name, section in DEFAULTS.items()}


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Model(nn.Module):
    """One linear layer a task, in float64 and without BatchNorm."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        numbers = generator(seed)
        self.heads = nn.ModuleDict({loss: nn.Linear(WIDTH, OUTPUTS[loss]) for loss in LOSSES}).double()
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=numbers, dtype=torch.float64)

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {name: head(images) for name, head in self.heads.items()}


def tasks_of(weights: dict[str, float] | None = None) -> dict[str, Task]:
    """One task for each loss, under the loss's name."""
    found = {}
    for loss in LOSSES:
        classes = tuple(f"{loss} {index}" for index in range(NUM_CLASSES.get(KINDS[loss], OUTPUTS[loss])))
        columns = (loss,) if KINDS[loss] in NUM_CLASSES else classes
        found[loss] = Task(
            loss,
            KINDS[loss],
            columns,
            classes,
            primary_metric(KINDS[loss]),
            (weights or {}).get(loss, 1.0),
            link=getattr(DEFAULTS[loss], "link", None),
        )
    return found


class Batch:
    """Random images, targets and masks of every task."""

    def __init__(self, seed: int, labelled: float = 0.6) -> None:
        numbers = generator(seed)
        self.images = torch.randn(NUM, WIDTH, generator=numbers, dtype=torch.float64)
        self.targets = {loss: target_of(loss, numbers, NUM) for loss in LOSSES}
        self.masks = {n: torch.rand(t.shape, generator=numbers) < labelled for n, t in self.targets.items()}
        self.counts = torch.tensor([int(mask.sum()) for mask in self.masks.values()])

    def part(self, rows: slice) -> tuple:
        targets = {name: target[rows] for name, target in self.targets.items()}
        return self.images[rows], targets, {name: mask[rows] for name, mask in self.masks.items()}, self.counts
