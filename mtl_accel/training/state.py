"""Progress of a run and state of its optimizer, as named tensors and JSON, so that nothing is pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


@dataclass
class Progress:
    """Progress of a run."""

    epoch: int = 0  # completed epochs
    step: int = 0  # completed steps of the current epoch
    seconds: float = 0.0  # spent in the current epoch
    skipped_steps: int = 0  # by fp16's loss scaling, in the whole run
    best_epoch: int | None = None
    best_score: float | None = None
    best: dict[str, float] = field(default_factory=dict)
    improved_epoch: int = 0  # the last one that improved on the best by more than early stopping's min_delta
    improved_score: float | None = None


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[Tensors, dict[str, Any]]:
    """Return an optimizer's tensors by "parameter index.name", and all the rest as JSON."""
    state = optimizer.state_dict()
    tensors: Tensors = {}
    plain: dict[str, Any] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            place: dict[str, Any] = tensors if isinstance(value, Tensor) else plain
            place[f"{index}.{name}"] = value
    groups = [{key: value for key, value in group.items() if key != "params"} for group in state["param_groups"]]
    return tensors, {"state": plain, "param_groups": groups}


def load_optimizer_state(optimizer: torch.optim.Optimizer, tensors: Tensors, plain: Mapping[str, Any]) -> None:
    """Load what `optimizer_state` returned into an optimizer of the same parameters."""
    current = optimizer.state_dict()
    state: dict[int, dict[str, Any]] = {}
    for key, value in (*tensors.items(), *plain["state"].items()):
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    groups = [
        {**old, **{key: tuple(v) if isinstance(v, list) else v for key, v in new.items()}}
        for old, new in zip(current["param_groups"], plain["param_groups"], strict=True)
    ]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # The file holds plain strides; fused kernels want those of the parameter.
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
