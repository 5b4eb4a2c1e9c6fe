"""Groups of parameters that learn at rates of their own."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from ...config import Config
from ...core.errors import UserError
from ...models.base import Pair

_NEVER_DECAY = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.Embedding)


def parameter_groups(objective: nn.Module, pair: Pair, config: Config) -> list[dict[str, Any]]:
    """Return groups for `torch.optim`; the first one has the optimizer's own rate, which schedules set.

    One group, with nothing but its parameters, when no knob asks for more. What `objective` has beside the pair,
    such as learned weights of tasks, never decays and has the optimizer's own rate. The first group is empty where
    every head has a rate of its own.

    Raises:
        UserError: the pair's blocks do not hold its backbone, and `model.layer_lr_decay` needs them.
    """
    scales = _backbone_scales(pair, config) | _head_scales(pair, config)
    of_pair = set(pair.parameters())
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): []}
    grouped: set[nn.Parameter] = set()
    for module in objective.modules():  # in the order of parameters()
        for name, parameter in module.named_parameters(recurse=False):
            if parameter not in grouped:
                grouped.add(parameter)
                decays = parameter in of_pair and (not config.no_decay_on_norms_and_biases or _is_matrix(module, name))
                groups.setdefault((scales.get(parameter, 1.0), decays), []).append(parameter)
    if groups.keys() == {(1.0, True)}:
        return [{"params": groups[1.0, True]}]
    lr = config.optimizer.lr
    return [
        {"params": parameters, "lr": lr * scale} | ({} if decays else {"weight_decay": 0.0})
        for (scale, decays), parameters in groups.items()
    ]


def _is_matrix(module: nn.Module, name: str) -> bool:
    """Whether a parameter is a weight matrix, and no norm, bias, scale, token, embedding or learned query."""
    return getattr(module, name).ndim > 1 and "weight" in name and not isinstance(module, _NEVER_DECAY)


def _head_scales(pair: Pair, config: Config) -> dict[nn.Parameter, float]:
    """Factor on the rate of each parameter of a head."""
    scales = {name: task.lr_scale for name, task in config.tasks.items()}
    return {p: scales.get(task, 1.0) for task, head in pair.heads.items() for p in head.parameters()}


def _backbone_scales(pair: Pair, config: Config) -> dict[nn.Parameter, float]:
    """Factor on the rate of each backbone parameter; the last block is one step away from the heads."""
    scale, decay = config.model.backbone_lr_scale, config.model.layer_lr_decay
    if decay == 1:
        return dict.fromkeys(pair.backbone.parameters(), scale)
    layers = pair.layers()
    found = {p: scale * decay**steps for steps, layer in enumerate(reversed(layers), 1) for p in layer.parameters()}
    if found.keys() != set(pair.backbone.parameters()):
        raise UserError(
            f"model.layer_lr_decay: {decay:g} needs the blocks of the backbone, and layers() of {config.model.title} "
            "does not name every parameter of it; set it to 1, or correct layers()"
        )
    return found
