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
            if not isinstance(value, Tensor) or value.ndim == 0:  # such as the number of steps
                continue
            if value.shape != parameter.shape:
                raise ValueError(f"{name} is {list(value.shape)} for a parameter of {list(parameter.shape)}")
            # The file holds plain strides; fused kernels want those of the parameter.
            values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
