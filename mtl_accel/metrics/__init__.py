"""Metrics by kind of task, each a plain function and a record of it; the same as `evaluate` metrics: METRICS.

`evaluate` takes seconds and 50 MB to import, so its metrics are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_dir, lazy_getattr
from .measuring import ColumnRow, LabelRow, compute, per_column, per_label

if TYPE_CHECKING:
    from .evaluate_metrics import METRICS, MulticlassMetric, MultilabelMetric, OrdinalMetric, RegressionMetric

_HOMES = dict.fromkeys(
    ("METRICS", "MulticlassMetric", "MultilabelMetric", "OrdinalMetric", "RegressionMetric"), "evaluate_metrics"
)
__all__ = [
    "METRICS",
    "ColumnRow",
    "LabelRow",
    "MulticlassMetric",
    "MultilabelMetric",
    "OrdinalMetric",
    "RegressionMetric",
    "compute",
    "per_column",
    "per_label",
]

__getattr__ = lazy_getattr(__name__, _HOMES)
__dir__ = lazy_dir(globals(), _HOMES)
