"""Optimizers, by the names of torch and timm."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from ...config.knobs import did_you_mean
from ...config.reading import format_value
from ...config.sections.optimization import Optimizer
from ...config.sections.optimizer_names import TIMM, TimmOptimizer, TorchOptimizer
from ...core.errors import UserError, import_extra

Parameters = Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
}
_OURS = {  # arguments that a config cannot give
    **dict.fromkeys(("params", "lr"), "it stands beside the name"),
    **dict.fromkeys(("foreach", "fused", "capturable", "differentiable"), "the fastest form is chosen"),
    "maximize": "a loss is made smaller here",
}
# What optimizers raise for arguments that they do not accept.
_ERRORS = (TypeError, ValueError, RuntimeError, LookupError, AttributeError, ArithmeticError, AssertionError)


def build_optimizer(config: Optimizer, parameters: Parameters, *, fused: bool = True) -> torch.optim.Optimizer:
    """Build the optimizer of a config.

    Args:
        fused: in the form with one kernel a group of parameters, many times faster on large models, where it is one of
            `OPTIMIZERS`; the others take the form that torch or timm chooses.
    """
    if isinstance(config, TorchOptimizer | TimmOptimizer):
        return _kind(config)(parameters, lr=config.lr, **_as_python(config.arguments))
    return OPTIMIZERS[config.name](parameters, **config.model_dump(exclude={"name"}), fused=fused or None)


def check_optimizer(config: Optimizer) -> None:
    """Try the arguments of an optimizer of torch or timm on a few small parameters.

    Raises:
        UserError: timm is missing, or the optimizer does not exist there or refuses the arguments.
    """
    if not isinstance(config, TorchOptimizer | TimmOptimizer):
        return
    if problems := _argument_problems(config):
        raise UserError(problems)
    parameters = [torch.nn.Parameter(torch.ones(shape)) for shape in ((2, 2, 1, 1), (2, 2), (2,), ())]
    try:
        optimizer = build_optimizer(config, parameters)
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
    except _ERRORS as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        given = format_value({"lr": config.lr, **config.arguments})
        library = "timm" if isinstance(config, TimmOptimizer) else "torch"
        raise UserError(f"optimizer: {config.name} with {given} is refused by {library}: {reason}") from error


def _argument_problems(config: TorchOptimizer | TimmOptimizer) -> list[str]:
    known = [name for name in inspect.signature(_class(config)).parameters if name not in _OURS]
    listed = ", ".join(["lr", *known])
    return [
        f"optimizer.{key}: {_OURS[key]}, so this is no knob; leave it out"
        if key in _OURS
        else f"optimizer.{key}: {config.name} has no such argument (got {format_value(value)})"
        f"{did_you_mean(key, known) or f'; it has {listed}'}"
        for key, value in config.arguments.items()
        if key not in known
    ]


def _class(config: TorchOptimizer | TimmOptimizer) -> type[torch.optim.Optimizer]:
    """The class of an optimizer. Raises UserError where the installed library lacks it."""
    kind: type[torch.optim.Optimizer] | None
    if isinstance(config, TorchOptimizer):
        library, kind = torch.__name__, getattr(torch.optim, config.name, None)
    else:
        timm, factory = import_extra("timm", "timm", "timm.optim")
        library, name = timm.__name__, config.name.removeprefix(TIMM)
        is_there = name in factory.list_optimizers()
        kind = factory.get_optimizer_class(name, bind_defaults=False) if is_there else None
    if kind is None:
        raise UserError(f"optimizer.name: the {library} that is installed has no {config.name}; install a newer one")
    return kind


def _kind(config: TorchOptimizer | TimmOptimizer) -> Callable[..., torch.optim.Optimizer]:
    """The function that makes an optimizer of groups of parameters and arguments."""
    kind = _class(config)
    if isinstance(config, TorchOptimizer):
        return kind
    (factory,) = import_extra("timm", "timm.optim")
    return functools.partial(factory.create_optimizer_v2, opt=config.name.removeprefix(TIMM))


def _as_python(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with tuples in the place of JSON's lists, as in the optimizers' own defaults."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}


def complete_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give parameters that begin to train a momentum of 0, where others in their group have one.

    torch's fused SGD takes those of a whole group or none, and fails with a part of them.
    """
    if not isinstance(getattr(optimizer, "optimizer", optimizer), torch.optim.SGD):  # in Accelerate's wrapping
        return
    for group in optimizer.param_groups:
        training = [parameter for parameter in group["params"] if parameter.requires_grad]
        without = [p for p in training if "momentum_buffer" not in optimizer.state.get(p, {})]
        if group.get("momentum") and len(without) < len(training):
            for parameter in without:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
