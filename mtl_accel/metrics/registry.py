"""Every metric by kind of task, and what follows from their records: names, titles and directions.

Those of plugins are computed for the tasks that name them alone, so that a plugin that is only installed changes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.plugins import registrations
from . import multiclass, multilabel, ordinal, regression
from .record import Metric

# A new metric is one more record in the file of its kind. The first one of a kind is its primary metric. Two kinds may
# share a name, which then has one title and one direction.
REGISTRY: dict[str, tuple[Metric, ...]] = {
    "multiclass": multiclass.METRICS,
    "ordinal": ordinal.METRICS,
    "multilabel": multilabel.METRICS,
    "regression": regression.METRICS,
}


def get(kind: str, name: str) -> Metric:
    """Record of a metric of a kind of task."""
    return next(metric for metric in (*REGISTRY[kind], *_of_plugins(kind)) if metric.name == name)


def metrics_of(kind: str, added: Sequence[str] = ()) -> tuple[Metric, ...]:
    """The metrics of a kind of task; `added`: names of those of plugins that a task has besides."""
    return (*REGISTRY[kind], *(get(kind, name) for name in added))


def metric_names(kind: str, added: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the metrics of a kind of task, in the order in which they are logged."""
    return (*(metric.name for metric in REGISTRY[kind]), *added)


def decision_metric_names(kind: str, added: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of those that depend on the thresholds."""
    return tuple(metric.name for metric in metrics_of(kind, added) if metric.uses_decisions)


def plugin_metric_names(kind: str) -> tuple[str, ...]:
    """Names of the metrics of a kind of task that plugins have registered."""
    return tuple(metric.name for metric in _of_plugins(kind))


def _of_plugins(kind: str) -> list[Metric]:
    return [registration.target for registration in registrations.registrations(f"{kind} metric")]


def primary_metric(kind: str) -> str:
    """Name of the metric that stands for a kind of task where its config chooses no other one."""
    return REGISTRY[kind][0].name


def find(full_name: str) -> Metric | None:
    """Record of a metric such as "category/accuracy"; None of a loss."""
    name = full_name.rpartition("/")[2]
    metrics = (metric for kind in REGISTRY for metric in (*REGISTRY[kind], *_of_plugins(kind)))
    return next((metric for metric in metrics if metric.name == name), None)


def lower_is_better(full_name: str) -> bool:
    """Whether a smaller value of a metric such as "category/accuracy", or of a loss, is the better one."""
    metric = find(full_name)
    return full_name.rpartition("/")[2] == "loss" if metric is None else metric.lower_is_better


def title(full_name: str) -> str:
    """ "attribute/f1_macro" as a person would write it: "Attribute F1 (macro)"."""
    metric = find(full_name)
    task, _, name = full_name.replace("_", " ").rpartition("/")
    words = f"{task} {name if metric is None else metric.title}".strip()
    return words[:1].upper() + words[1:]
