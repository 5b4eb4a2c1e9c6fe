"""Progress of a run and state of its optimizer, as named tensors and JSON, so that nothing is pickled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError, field_validator
from torch import Tensor

from ..core.errors import UserError

Tensors = dict[str, Tensor]

_GROUP = "group"  # begins the keys of tensors that a group of parameters has
# Sums over some dimensions of a parameter, as the Adafactors of torch and timm have them.
_SUMS = ("row_var", "col_var", "exp_avg_sq_row", "exp_avg_sq_col", "exp_avg_sq_r", "exp_avg_sq_c")


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


class OptimizerState(BaseModel):
    """What `optimizer_state` returns as JSON."""

    state: dict[str, Any]
    param_groups: list[dict[str, Any]]


class SavedState(BaseModel):
    """state.json of a checkpoint, as far as a run reads it."""

    progress: Progress
    optimizer: OptimizerState
    schedule: dict[str, Any]
    scaler: dict[str, Any] | None
    config: dict[str, Any]
    data_fingerprint: str
    micro_batch_size: int
    mixed_precision: str | None

    @field_validator("progress")
    @classmethod
    def _has_begun(cls, progress: Progress) -> Progress:
        if min(progress.epoch, progress.step) < 0:
            raise ValueError("epoch and step count from 0")
        return progress


@contextmanager
def foreign_state_errors(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while a checkpoint is read and loaded into a UserError: its files may come from anybody."""
    try:
        yield
    except (UserError, torch.OutOfMemoryError):
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{type(error).__name__}: {error}"
        if isinstance(error, ValidationError):
            details = error.errors(include_url=False)
            reason = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details)
        raise UserError(
            f"{folder}: not a checkpoint that this version can resume ({reason}); restore it from a copy, or begin "
            "anew in another run_dir"
        ) from error


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[Tensors, dict[str, Any]]:
    """Return an optimizer's tensors by "parameter index.name", and all the rest as JSON."""
    state = optimizer.state_dict()
    tensors: Tensors = {}
    plain: dict[str, Any] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            place: dict[str, Any] = tensors if isinstance(value, Tensor) else plain
            place[f"{index}.{name}"] = value
    groups = []
    for index, group in enumerate(state["param_groups"]):
        counters = {key: value for key, value in group.items() if isinstance(value, Tensor)}  # as LAMB has one
        tensors |= {f"{_GROUP}{index}.{key}": value for key, value in counters.items()}
        # A dtype is an argument, and no step changes it.
        kept = {key: value for key, value in group.items() if not isinstance(value, torch.dtype | Tensor)}
        groups.append({key: value for key, value in kept.items() if key != "params"})
    return tensors, {"state": plain, "param_groups": groups}


def load_optimizer_state(optimizer: torch.optim.Optimizer, tensors: Tensors, plain: Mapping[str, Any]) -> None:
    """Load what `optimizer_state` returned into an optimizer of the same parameters."""
    current = optimizer.state_dict()
    state: dict[int, dict[str, Any]] = {}
    groups = [
        {**old, **{key: tuple(v) if isinstance(v, list) else v for key, v in new.items()}}
        for old, new in zip(current["param_groups"], plain["param_groups"], strict=True)
    ]
    for key, value in (*tensors.items(), *plain["state"].items()):
        index, _, name = key.partition(".")
        if index.startswith(_GROUP):
            groups[int(index.removeprefix(_GROUP))][name] = value.clone()
        else:
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, parameter in enumerate(parameters):
        values = optimizer.state.get(parameter, {})
        for name, value in values.items():
            if isinstance(value, Tensor) and value.ndim:  # not the number of steps and the like
                saved = tensors[f"{index}.{name}"]
                # torch has turned it into the parameter's dtype, and half precision is meant.
                values[name] = _like_parameter(name, saved if saved.element_size() == 2 else value, parameter)


def _like_parameter(name: str, value: Tensor, parameter: Tensor) -> Tensor:
    """The state of a parameter where the parameter lies. Raises ValueError if it is of another parameter."""
    if value.shape == parameter.shape:
        # The file holds plain strides; fused kernels want those of the parameter.
        return torch.empty_like(parameter, dtype=value.dtype).copy_(value)
    if name not in _SUMS or not _is_reduced(list(value.shape), list(parameter.shape)):
        raise ValueError(f"{name} is {list(value.shape)} for a parameter of {list(parameter.shape)}")
    return value.to(parameter.device, copy=True)


def _is_reduced(shape: list[int], whole: list[int]) -> bool:
    """Whether a tensor can be sums over some dimensions of another, which have length 1 then or are left out."""
    if len(shape) == len(whole):
        return all(size in (1, of) for size, of in zip(shape, whole, strict=True))
    rest = iter(whole)
    return len(shape) < len(whole) and all(size in rest for size in shape)
