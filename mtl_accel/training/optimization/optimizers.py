"""Optimizers, by torch's own names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from ...config.sections.optimization import Optimizer

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
}


def build_optimizer(
    config: Optimizer, parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]]
) -> torch.optim.Optimizer:
    """Build the optimizer in its fused form: one kernel a group of parameters, many times faster on large models."""
    return OPTIMIZERS[config.name](parameters, **config.model_dump(exclude={"name"}), fused=True)


def complete_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give parameters that begin to train a momentum of 0, where others in their group have one.

    torch's fused SGD takes those of a whole group or none, and fails with a part of them.
    """
    for group in optimizer.param_groups:
        training = [parameter for parameter in group["params"] if parameter.requires_grad]
        without = [p for p in training if "momentum_buffer" not in optimizer.state.get(p, {})]
        if group.get("momentum") and len(without) < len(training):
            for parameter in without:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
