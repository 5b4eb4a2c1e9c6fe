"""Losses of one element each: the objective masks, sums and divides them.

A new loss is one function in this package, from its section of the config to the loss, one line in LOSSES, and the
section in `config.losses`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...config.sections.losses import Loss
from ...config.sections.tasks import TaskConfig
from ...core.tasks import Task
from .balanced import Labels, resolve_balanced
from .element import ElementLoss
from .multiclass import cross_entropy, focal
from .multilabel import asymmetric, bce, sigmoid_focal
from .ordinal import corn, cumulative_link
from .regression import huber, mse, standardised

__all__ = ["LOSSES", "ElementLoss", "build_loss", "build_losses", "build_training_losses", "resolve_balanced"]

LOSSES: dict[str, Callable[[Any], ElementLoss]] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "cumulative_link": cumulative_link,
    "corn": corn,
    "bce": bce,
    "sigmoid_focal": sigmoid_focal,
    "asymmetric": asymmetric,
    "mse": mse,
    "huber": huber,
}


def build_losses(sections: Mapping[str, Loss], tasks: Mapping[str, Task]) -> dict[str, ElementLoss]:
    """Build the loss of each task from sections that `resolve_balanced` returned."""
    return {name: build_loss(section, tasks[name]) for name, section in sections.items()}


def build_loss(section: Loss, task: Task) -> ElementLoss:
    """Build the loss of a task, of the standardised values of a regression."""
    loss = LOSSES[section.name](section)
    return loss if task.scale is None else standardised(loss, task.scale)


def build_training_losses(
    configs: Mapping[str, TaskConfig], tasks: Mapping[str, Task], targets: Mapping[str, Labels]
) -> dict[str, ElementLoss]:
    """Build the loss of each task of a config; arguments and errors as of `resolve_balanced`."""
    return build_losses(resolve_balanced(configs, tasks, targets), tasks)
