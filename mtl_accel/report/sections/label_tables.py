"""Tables of a run's figures label by label or column by column, and of what its fitted thresholds change."""

from __future__ import annotations

from collections.abc import Mapping

from ...metrics import registry
from ...metrics.thresholds import DEFAULT_THRESHOLD
from ..records.validation import LabelFigures, TaskFigures
from ..tables import ABSENT, Cell, Row, Table, figure

_DIGITS = 3  # few images have a label


def label_table(task: TaskFigures, logged: Mapping[str, float | None]) -> Table | None:
    """Precision, recall and F1 of each class; of a multilabel task F1 at 0.5 beside F1 at the fitted thresholds; of a
    regression every metric of each column.

    Args:
        logged: what the run's end says of fitted thresholds, such as "attribute/f1_macro_cross_fitted".
    """
    if task.columns:
        return _columns(task)
    if not task.labels:
        return None
    return _thresholds(task, logged) if task.kind == "multilabel" else _classes(task)


def _classes(task: TaskFigures) -> Table:
    head = ("class", "images", "precision", "recall", "F1")
    rows = [
        Row((Cell(label.label), Cell(str(label.support)), *_figures(label.precision, label.recall, label.f1)))
        for label in task.labels
    ]
    return Table(f"Each class of {task.name}", head, tuple(rows))


def _columns(task: TaskFigures) -> Table:
    names = list(task.columns[0].metrics)
    titles = [registry.get(task.kind, name).title for name in names]
    rows = [
        Row(
            (
                Cell(row.column),
                Cell(str(row.labelled)),
                *(Cell(_number(value)) for value in (row.mean, row.std, *(row.metrics[name] for name in names))),
            )
        )
        for row in task.columns
    ]
    head = ("column", "images", "mean", "deviation", *titles)
    return Table(f"Each column of {task.name}, in its unit", head, tuple(rows))


def _number(value: float | None) -> str:
    """A number of any unit: five digits, whether it is 0.01 or 250,000."""
    return ABSENT if value is None else f"{value:.5g}" if abs(value) < 1e5 else f"{value:.0f}"


def _thresholds(task: TaskFigures, logged: Mapping[str, float | None]) -> Table:
    head = ("label", "images", f"F1 at {DEFAULT_THRESHOLD}", "fitted threshold", "F1 at it")
    rows = [Row((Cell(label.label), Cell(str(label.support)), *_one(label))) for label in task.labels]
    at_half, at_fitted = (values.get(f"{task.name}/f1_macro") for values in (task.metrics, task.fitted))
    rows.append(_mean(_mean_name(task), at_half, at_fitted, "fitted on these images"))
    cross_fitted = logged.get(f"{task.name}/f1_macro_cross_fitted")
    if cross_fitted is not None:
        rows.append(_mean("the same, cross-fitted", at_half, cross_fitted, "fitted on other images"))
    return Table(f"Thresholds of {task.name}: {DEFAULT_THRESHOLD} beside the fitted ones", head, tuple(rows))


def _mean_name(task: TaskFigures) -> str:
    """What the mean F1 is over, where some labels have no positive or no label at all."""
    zero = sum(not label.support and label.f1 is not None for label in task.labels)
    unlabelled = sum(label.f1 is None for label in task.labels)
    parts = [f"{zero} without an image count as 0"] * bool(zero) + [f"{unlabelled} not labelled"] * bool(unlabelled)
    if not parts:
        return "mean of the labels"
    return f"mean of {len(task.labels) - unlabelled} of {len(task.labels)} labels; {', '.join(parts)}"


def _mean(name: str, at_half: float | None, at_fitted: float | None, note: str) -> Row:
    return Row((Cell(name), Cell(""), *_figures(at_half), Cell(""), Cell(figure(at_fitted, _DIGITS), note)))


def _one(label: LabelFigures) -> list[Cell]:
    better = None not in (label.f1, label.fitted_f1) and (label.fitted_f1 or 0) > (label.f1 or 0)
    threshold = ABSENT if label.threshold is None else f"{label.threshold:.3f}"
    return [*_figures(label.f1), Cell(threshold), Cell(figure(label.fitted_f1, _DIGITS), best=better)]


def _figures(*values: float | None) -> list[Cell]:
    return [Cell(figure(value, _DIGITS)) for value in values]
