"""Losses of one element each: the objective masks, sums and divides them.

A new loss is one function in this package, from its section of the config to the loss, one line in LOSSES, and the
section in `config.losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...config.losses import Loss
from ...config.sections import TaskConfig
from ...core.tasks import Task
from .balanced import Labels, resolve_balanced
from .element import ElementLoss
from .multiclass import cross_entropy, focal
from .multilabel import asymmetric, bce, sigmoid_focal
from .regression import huber, mse

__all__ = ["LOSSES", "ElementLoss", "build_losses", "build_training_losses", "resolve_balanced"]

LOSSES: dict[str, Callable[[Any], ElementLoss]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "bce": bce,
    "sigmoid_focal": sigmoid_focal,
    "asymmetric": asymmetric,
    "mse": mse,
    "huber": huber,
}


def build_losses(sections: Mapping[str, Loss]) -> dict[str, ElementLoss]:
    """Build the loss of each task from sections that `resolve_balanced` returned."""
    return {task: LOSSES[section.name](section) for task, section in sections.items()}


def build_training_losses(
    configs: Mapping[str, TaskConfig], tasks: Mapping[str, Task], targets: Mapping[str, Labels]
) -> dict[str, ElementLoss]:
    """Build the loss of each task of a config; arguments and errors as of `resolve_balanced`."""
    return build_losses(resolve_balanced(configs, tasks, targets))
