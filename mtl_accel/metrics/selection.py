"""One number for several tasks, by which the best epoch is selected."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..core.tasks import Task
from .registry import lower_is_better


def composite(values: Mapping[str, float], tasks: Mapping[str, Task]) -> float:
    """Mean of the tasks' primary metrics; those where lower is better enter with a minus sign."""
    signed = [-values[t.metric] if lower_is_better(t.metric) else values[t.metric] for t in tasks.values()]
    return float(np.mean(signed))


def score_of(values: Mapping[str, float], tasks: Mapping[str, Task], select_by: str) -> float:
    """Number that the best epoch has the highest of: the composite ("mean"), or one metric by its full name."""
    chosen = composite(values, tasks) if select_by == "mean" else values[select_by]
    return -chosen if lower_is_better(select_by) else chosen
