"""The metrics of a task over a whole split, and its table per label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import numpy as np

from ..core.tasks import median_class
from . import multiclass, multilabel
from .registry import metric_names, metrics_of
from .thresholds import DEFAULT_THRESHOLD


class LabelRow(TypedDict):
    """One line of the per-label table; support is the number of labelled positives."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


class ColumnRow(TypedDict):
    """One column of a regression: how its labelled numbers spread, in its unit, and every metric of it alone."""

    column: str
    labelled: int
    mean: float
    std: float
    metrics: dict[str, float]


def compute(
    kind: str,
    scores: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    threshold: float | np.ndarray = DEFAULT_THRESHOLD,
    added: Sequence[str] = (),
) -> dict[str, float]:
    """Every metric of one kind of task over a whole split, on the process that holds the gathered arrays.

    - multiclass: scores float [N, K], logits or probabilities; targets int [N]; mask bool [N].
    - ordinal: scores float [N, K], probabilities; targets int [N]; mask bool [N].
    - multilabel: scores float [N, C], probabilities; targets 0 or 1 [N, C]; mask bool [N, C]; a label is predicted
      where its probability is at or above `threshold`, one number or an array [C] or [N, C].
    - regression: scores float [N, C]; targets float [N, C]; mask bool [N, C].

    `added` names metrics of plugins that are computed besides the built-in ones. Elements with mask False count for
    nothing, whatever they hold. With nothing labelled, or a score that is not a finite number, every value is NaN.

    Raises:
        ValueError: the arrays do not have the same number of rows.
    """
    require_same_rows(scores, targets, mask)
    scores = np.asarray(scores, np.float64)
    if not _is_measurable(scores, mask):
        return dict.fromkeys(metric_names(kind, added), np.nan)
    decisions = scores >= threshold if kind == "multilabel" else scores
    return {
        metric.name: float(metric.function(decisions if metric.uses_decisions else scores, targets, mask, None))
        for metric in metrics_of(kind, added)
    }


def per_label(
    kind: str,
    scores: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    names: Sequence[str],
    threshold: float | np.ndarray = DEFAULT_THRESHOLD,
) -> list[LabelRow]:
    """Precision, recall, F1 and support of each label or class in index order; a regression has none.

    Arrays as in `compute`; `names` holds the C labels or K classes. A label that is labelled in no row has NaN.
    """
    table = label_table(kind, scores, targets, mask, threshold)
    if table is None:
        return []
    columns = zip(names, table["precision"], table["recall"], table["f1"], table["support"], strict=True)
    return [
        LabelRow(label=label, precision=float(precision), recall=float(recall), f1=float(f1), support=int(support))
        for label, precision, recall, f1, support in columns
    ]


def per_column(scores: np.ndarray, targets: np.ndarray, mask: np.ndarray, names: Sequence[str]) -> list[ColumnRow]:
    """Figures of each column of a regression; arrays as in `compute`. NaN where a column is labelled in no row."""
    rows = []
    for index, column in enumerate(names):
        part = slice(index, index + 1)
        known = targets[:, part][mask[:, part]].astype(np.float64)
        mean, std = (known.mean(), known.std()) if known.size else (np.nan, np.nan)
        values = compute("regression", scores[:, part], targets[:, part], mask[:, part])
        rows.append(ColumnRow(column=column, labelled=known.size, mean=float(mean), std=float(std), metrics=values))
    return rows


def label_table(
    kind: str,
    scores: np.ndarray,
    targets: np.ndarray,
    mask: np.ndarray,
    threshold: float | np.ndarray = DEFAULT_THRESHOLD,
) -> dict[str, np.ndarray] | None:
    """Columns "precision", "recall", "f1" and "support" of every label or class, or None of a regression.

    Arrays as in `compute`.
    """
    if kind == "regression":
        return None
    require_same_rows(scores, targets, mask)
    scores = np.asarray(scores, np.float64)
    if kind in ("multiclass", "ordinal"):
        predicted = median_class(scores) if kind == "ordinal" else scores.argmax(axis=1)
        counts = multiclass.class_counts(predicted, scores.shape[1], targets, mask)
    else:
        counts = multilabel.label_counts(scores >= threshold, targets, mask)
    table = counts.table()
    if not _is_measurable(scores, mask):
        table = {name: np.full_like(column, np.nan) for name, column in table.items()}
    return table | {"support": counts.positives.astype(int)}


def require_same_rows(scores: np.ndarray, targets: np.ndarray, mask: np.ndarray) -> None:
    """Check the lengths of a metric's arrays.

    Raises:
        ValueError: they differ.
    """
    if not len(scores) == len(targets) == len(mask):
        rows = f"{len(scores)} predictions, {len(targets)} references, {len(mask)} rows of mask"
        raise ValueError(f"A metric needs as many rows in each array, but there are {rows}.")


def _is_measurable(scores: np.ndarray, mask: np.ndarray) -> bool:
    return bool(mask.any() and np.isfinite(scores[mask]).all())
