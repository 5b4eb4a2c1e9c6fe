"""Optimizers and schedules, by torch's own names, and the groups of parameters that learn at rates of their own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import lr_scheduler

from ...config import Config
from ...config.sections.optimization import CosineAnnealingLR, OneCycleLR, Optimizer, Scheduler
from ...core.errors import UserError
from ...models.base import Pair

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


def _one_cycle(optimizer: torch.optim.Optimizer, config: OneCycleLR, num_steps: int) -> lr_scheduler.OneCycleLR:
    """Raises: UserError where the rate would have to rise within the first step, where torch divides by 0."""
    total_steps = num_steps + 1  # the last step of the run still has a rate after it
    if config.pct_start * total_steps == 1:
        raise UserError(
            f"scheduler.pct_start: {config.pct_start:g} of a run of {num_steps} steps leaves OneCycleLR no step to "
            "rise in; set it a little higher or lower"
        )
    knobs = config.model_dump(exclude={"name"})
    return lr_scheduler.OneCycleLR(optimizer, **knobs, total_steps=total_steps, cycle_momentum=False)


class Schedule:
    """Learning rate over the run: torch's scheduler times a linear warm-up by steps.

    Accelerate does not wrap it, since it would step it once a process. The schedule sets the rate of the first group of
    parameters; the rates of all others keep their ratio to it.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        config: Scheduler | None,
        epochs: int,
        steps_per_epoch: int,
        warmup_epochs: float = 0.0,
    ) -> None:
        self.optimizer = optimizer
        self._ratios = [group["lr"] / optimizer.param_groups[0]["lr"] for group in optimizer.param_groups]
        self._every_step: list[lr_scheduler.LRScheduler] = []
        self._every_epoch: list[lr_scheduler.LRScheduler] = []
        if isinstance(config, OneCycleLR):
            self._every_step.append(_one_cycle(optimizer, config, epochs * steps_per_epoch))
        elif config is not None:
            knobs, parts = config.model_dump(exclude={"name", "every"}), self._every_epoch
            if isinstance(config, CosineAnnealingLR):
                knobs["T_max"] = config.T_max or epochs
                if config.every == "step":
                    knobs["T_max"], parts = knobs["T_max"] * steps_per_epoch, self._every_step
            parts.append(getattr(lr_scheduler, config.name)(optimizer, **knobs))
        self._warmup_steps = round(warmup_epochs * steps_per_epoch)
        self._warmup: list[lr_scheduler.LRScheduler] = []
        if self._warmup_steps:
            first = 1 / (self._warmup_steps + 1)
            self._warmup.append(lr_scheduler.LinearLR(optimizer, first, total_iters=self._warmup_steps))
        self._keep_ratios()

    @property
    def lr(self) -> float:
        """Learning rate of the heads in the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def parts(self) -> list[lr_scheduler.LRScheduler]:
        return [*self._every_epoch, *self._every_step, *self._warmup]

    @property
    def _warmup_factor(self) -> float:
        """Factor of the warm-up on the rate of the next step; 1 once it is over."""
        if not self._warmup:
            return 1.0
        return min(self._warmup[-1].last_epoch + 1, self._warmup_steps + 1) / (self._warmup_steps + 1)

    def _scale(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def _keep_ratios(self) -> None:
        first, *others = self.optimizer.param_groups
        for group, ratio in zip(others, self._ratios[1:], strict=True):
            group["lr"] = first["lr"] * ratio

    def after_step(self) -> None:
        self._step(self._every_step)
        for warmup in self._warmup:
            warmup.step()
        self._keep_ratios()

    def after_epoch(self) -> None:
        self._step(self._every_epoch)
        self._keep_ratios()

    def _step(self, schedulers: Sequence[lr_scheduler.LRScheduler]) -> None:
        # torch's schedulers compute the next rate from the present one, and the warm-up must not scale the cosine's
        # floor: so they see the rate without the warm-up.
        factor = self._warmup_factor
        for scheduler in schedulers:
            self._scale(1 / factor)
            scheduler.step()
            self._scale(factor)

    def replay(self, epochs: int, steps: int, steps_per_epoch: int) -> None:
        """Step from the start to the rate after so many epochs, and steps of the next one."""
        with warnings.catch_warnings():
            # The optimizer has stepped, though not in this process.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
            for _ in range(epochs):
                for _ in range(steps_per_epoch):
                    self.after_step()
                self.after_epoch()
            for _ in range(steps):
                self.after_step()

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, fit for JSON."""
        keep = ("last_epoch", "_step_count", "_last_lr", "base_lrs")
        return {"parts": [{key: getattr(part, key) for key in keep} for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, values in zip(self.parts, state["parts"], strict=True):
            for key, value in values.items():
                setattr(part, key, value)


_NEVER_DECAY = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.Embedding)


def parameter_groups(objective: nn.Module, pair: Pair, config: Config) -> list[dict[str, Any]]:
    """Return groups for `torch.optim`; the first one holds the heads and has the optimizer's own rate.

    One group, with nothing but its parameters, when no knob asks for more. What `objective` has beside the pair,
    such as learned weights of tasks, never decays and has the optimizer's own rate.

    Raises:
        UserError: the pair's blocks do not hold its backbone, and `model.layer_lr_decay` needs them.
    """
    scales = _backbone_scales(pair, config)
    of_pair = set(pair.parameters())
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {(1.0, True): []}
    grouped: set[nn.Parameter] = set()
    for module in objective.modules():  # in the order of parameters()
        for name, parameter in module.named_parameters(recurse=False):
            if parameter not in grouped:
                grouped.add(parameter)
                decays = parameter in of_pair and (not config.no_decay_on_norms_and_biases or _is_matrix(module, name))
                groups.setdefault((scales.get(parameter, 1.0), decays), []).append(parameter)
    filled = {key: parameters for key, parameters in groups.items() if parameters}
    if filled.keys() == {(1.0, True)}:
        return [{"params": filled[1.0, True]}]
    lr = config.optimizer.lr
    return [
        {"params": parameters, "lr": lr * scale} | ({} if decays else {"weight_decay": 0.0})
        for (scale, decays), parameters in filled.items()
    ]


def _is_matrix(module: nn.Module, name: str) -> bool:
    """Whether a parameter is a weight matrix, and no norm, bias, scale, token, embedding or learned query."""
    return getattr(module, name).ndim > 1 and "weight" in name and not isinstance(module, _NEVER_DECAY)


def _backbone_scales(pair: Pair, config: Config) -> dict[nn.Parameter, float]:
    """Factor on the rate of each backbone parameter; the last block is one step away from the heads."""
    scale, decay = config.model.backbone_lr_scale, config.model.layer_lr_decay
    if decay == 1:
        return dict.fromkeys(pair.backbone.parameters(), scale)
    layers = pair.layers()
    found = {p: scale * decay**steps for steps, layer in enumerate(reversed(layers), 1) for p in layer.parameters()}
    if found.keys() != set(pair.backbone.parameters()):
        raise UserError(
            f"model.layer_lr_decay: {decay:g} needs the blocks of the backbone, and layers() of {config.model.name} "
            "does not name every parameter of it; set it to 1, or correct layers()"
        )
    return found
