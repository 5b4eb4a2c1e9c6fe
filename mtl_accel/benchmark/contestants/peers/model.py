"""What both peers train: the pair with its losses in it, by torch's own optimizer, on our schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .... import models
from ....config import Config
from ....core import rng
from ....core.tasks import Task
from ....training.optim import OPTIMIZERS, Schedule

CRITERIA: dict[str, type[nn.Module]] = {
    "multiclass": nn.CrossEntropyLoss,
    "multilabel": nn.BCEWithLogitsLoss,
    "regression": nn.MSELoss,
}


class ModelWithLoss(nn.Module):
    """A pair that also gives the weighted sum of its tasks' losses, as models of `transformers` do."""

    def __init__(self, config: Config, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        torch.manual_seed(rng.seed_of(config.seed, rng.INITIAL))  # the weights that our run starts from
        outputs = {name: task.num_outputs for name, task in tasks.items()}
        self.pair = models.build(config.model.name, outputs, config.model.weights, config.model.backbone)
        self.criteria = nn.ModuleDict({name: CRITERIA[task.kind]() for name, task in tasks.items()})
        self.weights = {name: task.weight for name, task in tasks.items()}

    def forward(self, pixel_values: Tensor, **labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """pixel_values float [B, 3, H, W] and each task's labels -> loss (scalar), {task: logits [B, C]}."""
        logits = self.pair(pixel_values)
        losses = [self.weights[name] * self.criteria[name](logits[name], labels[name]) for name in labels]
        return torch.stack(losses).sum(), logits


def optimizer_of(config: Config, model: nn.Module) -> torch.optim.Optimizer:
    return OPTIMIZERS[config.optimizer.name](model.parameters(), **config.optimizer.model_dump(exclude={"name"}))


def schedule_of(config: Config, optimizer: torch.optim.Optimizer, num_samples: int) -> Schedule:
    num_steps = math.ceil(num_samples / config.batch_size)
    return Schedule(optimizer, config.scheduler, config.epochs, num_steps, config.warmup_epochs)
