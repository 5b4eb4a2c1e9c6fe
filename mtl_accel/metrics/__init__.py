"""Metrics by kind of task: METRICS, compute and per_label, imported when they are first used.

`evaluate`, scikit-learn and SciPy take two seconds and 50 MB, and only the main process measures, after an epoch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import attributes, names

if TYPE_CHECKING:
    from .measuring import METRICS, LabelRow, compute, per_label
    from .multiclass import MulticlassMetric
    from .multilabel import MultilabelMetric
    from .regression import RegressionMetric

_HOMES = {
    **dict.fromkeys(("METRICS", "LabelRow", "compute", "per_label"), "measuring"),
    "MulticlassMetric": "multiclass",
    "MultilabelMetric": "multilabel",
    "RegressionMetric": "regression",
}
__all__ = [
    "METRICS",
    "LabelRow",
    "MulticlassMetric",
    "MultilabelMetric",
    "RegressionMetric",
    "compute",
    "per_label",
]

__getattr__ = attributes(__name__, _HOMES)
__dir__ = names(globals(), _HOMES)
