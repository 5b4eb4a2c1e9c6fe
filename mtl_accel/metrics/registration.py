"""Metrics that plugins register."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..core.errors import UserError
from ..core.plugins import registrations
from ..core.plugins.registrations import Registration, calling_module
from .record import Function, Metric
from .registry import REGISTRY, metrics_of, plugin_metric_names

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


def register_metric(
    name: str,
    *,
    kind: str,
    title: str | None = None,
    short_name: str | None = None,
    meaning: str | None = None,
    lower_is_better: bool = False,
    uses_decisions: bool = False,
) -> Callable[[FunctionT], FunctionT]:
    """Register the decorated function as the metric `name` of one kind of tasks.

    A task has it if `tasks.NAME.metrics` lists it, or `tasks.NAME.primary_metric` names it. The function takes
    predictions, target, mask and sample_weight, as those in `mtl_accel/metrics/` do, and returns one number; with
    weights [R, N], which say how often each row counts, [R]. NaN stands for nothing labelled.

    Args:
        kind: "multiclass", "ordinal", "multilabel" or "regression".
        title: in figures, tables and the report; None: the name with blanks.
        short_name: in the log block of an epoch; None: the title.
        meaning: one sentence; None: the first line of the docstring.
        lower_is_better: whether a smaller value is the better one.
        uses_decisions: of a multilabel task, whether it gets decisions, bool [N, C], in place of probabilities.

    Raises:
        UserError: the name is taken, or the kind is none.
    """
    module = calling_module()

    def decorate(function: FunctionT) -> FunctionT:
        shown = name.replace("_", " ") if title is None else title
        said = (function.__doc__ or shown).strip().partition("\n")[0] if meaning is None else meaning
        checked = _checked(function, name)
        metric = Metric(name, shown, short_name or shown, said, checked, lower_is_better, uses_decisions)
        _register(Registration(f"{kind} metric", name, metric, module, function=function), kind)
        return function

    return decorate


def _register(registration: Registration, kind: str) -> None:
    """Add a metric.

    Raises:
        UserError: its name is taken, or its kind is none.
    """
    if kind not in REGISTRY:
        raise registrations.problem(registration, f"kind {kind!r} is none of {', '.join(REGISTRY)}")
    metric, built_in = registration.target, [*(m.name for m in REGISTRY[kind]), "loss"]
    others = [m for k in REGISTRY if k != kind for m in metrics_of(k, plugin_metric_names(k)) if m.name == metric.name]
    is_other = any((m.title, m.lower_is_better) != (metric.title, metric.lower_is_better) for m in others)
    if is_other and metric.name not in built_in:
        rule = "another kind of task has a metric of that name, whose title or direction is another; rename it"
        raise registrations.problem(registration, rule)
    registrations.register(registration, built_in)


def _checked(function: Callable[..., Any], name: str) -> Function:
    """The function of a plugin, whose result is checked: one number, or one for each row of weights."""

    @functools.wraps(function)
    def measured(
        predictions: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: np.ndarray | None
    ) -> np.ndarray:
        value = np.asarray(function(predictions, target, mask, sample_weight), np.float64)
        expected = () if sample_weight is None else sample_weight.shape[:-1]
        if value.shape != expected:
            weights = "without weights" if sample_weight is None else f"with weights {list(sample_weight.shape)}"
            raise UserError(
                f"metric {name!r} of {function.__module__}: returned an array of shape {list(value.shape)} {weights}, "
                f"and must return {list(expected)}"
            )
        return value

    return measured
