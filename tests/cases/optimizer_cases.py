"""Optimizers of a few parameters, the same each time."""

from __future__ import annotations

import torch
from pydantic import TypeAdapter

from mtl_accel.config.sections.optimization import Optimizer
from mtl_accel.training.optimization.optim import build_optimizer


def parameters() -> list[torch.nn.Parameter]:
    numbers = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=numbers)) for shape in ((4, 3, 2, 2), (5,), ())]


def optimizer_of(name: str = "SGD", **knobs) -> torch.optim.Optimizer:
    return build_optimizer(TypeAdapter(Optimizer).validate_python({"name": name, "lr": 0.01} | knobs), parameters())
