"""The metrics of a kind of task, shipped with the package: nothing is fetched or run from a working folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any, TypedDict

import evaluate
import numpy as np

from .multiclass import MulticlassMetric
from .multilabel import MultilabelMetric
from .regression import RegressionMetric

METRICS: dict[str, type[evaluate.Metric]] = {
    "multiclass": MulticlassMetric,
    "multilabel": MultilabelMetric,
    "regression": RegressionMetric,
}


class LabelRow(TypedDict):
    """One line of the per-label table; support is the number of labelled positives."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


def compute(
    kind: str, scores: np.ndarray, targets: np.ndarray, mask: np.ndarray, threshold: float | np.ndarray = 0.5
) -> dict[str, float]:
    """Every metric of one kind of task over a whole split, on the process that holds the gathered arrays.

    - multiclass: scores float [N, K], logits or probabilities; targets int [N]; mask bool [N].
    - multilabel: scores float [N, C], probabilities; targets 0 or 1 [N, C]; mask bool [N, C]; a label is predicted
      where its probability is at or above `threshold`, one number or an array [C].
    - regression: scores float [N, C]; targets float [N, C]; mask bool [N, C].

    Elements with mask False count for nothing, whatever they hold. With nothing labelled every value is NaN.
    """
    values = _measure(kind, scores, targets, mask, threshold)
    return {name: float(value) for name, value in values.items() if name != "per_label"}


def per_label(
    kind: str,
    scores: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    names: Sequence[str],
    threshold: float | np.ndarray = 0.5,
) -> list[LabelRow]:
    """Precision, recall, F1 and support of each label or class in index order; a regression has none.

    Arrays as in `compute`; `names` holds the C labels or K classes. A label that is labelled in no row has NaN.
    """
    table = _measure(kind, scores, targets, mask, threshold).get("per_label")
    if table is None:
        return []
    columns = zip(names, table["precision"], table["recall"], table["f1"], table["support"], strict=True)
    return [
        LabelRow(label=label, precision=float(precision), recall=float(recall), f1=float(f1), support=int(support))
        for label, precision, recall, f1, support in columns
    ]


def _measure(
    kind: str, scores: np.ndarray, targets: np.ndarray, mask: np.ndarray, threshold: float | np.ndarray
) -> dict[str, Any]:
    options = {"threshold": threshold} if kind == "multilabel" else {}
    # evaluate always writes to disk, by default under HF_HOME, which may be read-only or shared by many jobs.
    with tempfile.TemporaryDirectory(prefix="mtl_accel_metric_") as folder:
        metric = METRICS[kind](cache_dir=folder)
        return metric.compute(predictions=scores, references=targets, mask=mask, **options)
