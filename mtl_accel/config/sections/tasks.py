"""The section `tasks`: what each head learns, and from which columns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...metrics import registry
from ..base import Section
from .losses import BCE, MSE, CrossEntropy, MulticlassLoss, MultilabelLoss, RegressionLoss


class _TaskConfig(Section):
    weight: float = Field(1.0, ge=0, description="Weight of the task's loss in the sum.")
    primary_metric: str | None = Field(
        None, description="Metric in the log and in the mean; null: accuracy, f1_macro or r2, by the kind."
    )
    values: dict[str, str | int | float | None] = Field(
        {}, description='What cells of the columns mean, such as {"-1": 0, "unknown": null}; null: no label.'
    )


class MulticlassConfig(_TaskConfig):
    """One class for each image."""

    kind: Literal["multiclass"]
    column: str = Field(description="Column of the class, as text or integer.")
    classes: tuple[str, ...] | None = Field(
        None, description="Class names in index order; null: sorted, from the data."
    )
    loss: MulticlassLoss = Field(CrossEntropy(name="cross_entropy"), discriminator="name", description="Loss.")


class MultilabelConfig(_TaskConfig):
    """Any number of labels for each image."""

    kind: Literal["multilabel"]
    columns: tuple[str, ...] | None = Field(
        None,
        description="0/1 columns, one a label; null: every column left over that holds only 0, 1 or blanks.",
    )
    column: str | None = Field(None, description="Instead: one column that holds a list, or names with a delimiter.")
    delimiter: str | None = Field(
        None, min_length=1, description="Between the names of `column`; null: found, one of comma, semicolon, |, space."
    )
    classes: tuple[str, ...] | None = Field(None, description="Label names of `column`; null: sorted, from the data.")
    loss: MultilabelLoss = Field(BCE(name="bce"), discriminator="name", description="Loss.")


class RegressionConfig(_TaskConfig):
    """One or more numbers for each image."""

    kind: Literal["regression"]
    columns: tuple[str, ...] = Field(min_length=1, description="Columns of the numbers.")
    standardise: bool = Field(
        True,
        description="Learn (value - mean) / std of each column over the training split. Metrics and predictions stay "
        "in the column's unit; the loss is in standard deviations.",
    )
    log1p: bool = Field(
        False,
        description="Learn log(1 + value), standardised: for prices and counts, which span orders of magnitude.",
    )
    loss: RegressionLoss = Field(MSE(name="mse"), discriminator="name", description="Loss.")


TaskConfig = Annotated[MulticlassConfig | MultilabelConfig | RegressionConfig, Field(discriminator="kind")]


def task_problems(name: str, task: MulticlassConfig | MultilabelConfig | RegressionConfig) -> list[str]:
    """Problems that the keys of one task have together."""
    found: list[str] = []
    known = registry.metric_names(task.kind)
    if task.primary_metric is not None and task.primary_metric not in known:
        found.append(f"tasks.{name}.primary_metric: {task.primary_metric!r} is none of {', '.join(known)}")
    if isinstance(task, MultilabelConfig):
        if task.columns is not None and task.column is not None:
            found.append(f"tasks.{name}: give either columns or column, not both")
        if task.classes is not None and task.column is None:
            found.append(f"tasks.{name}.classes: only with column; with columns the labels are the columns' names")
    if isinstance(task, RegressionConfig) and task.log1p and not task.standardise:
        found.append(f"tasks.{name}.log1p: only with standardise; set that to true")
    classes = getattr(task, "classes", None) or ()
    if len(set(classes)) < len(classes):
        found.append(f"tasks.{name}.classes: {sorted(c for c in set(classes) if classes.count(c) > 1)} stand twice")
    return found


def metric_names(tasks: dict[str, MulticlassConfig | MultilabelConfig | RegressionConfig]) -> list[str]:
    """Every metric that a run of these tasks reports, such as "category/accuracy"."""
    known = {name: (*registry.metric_names(task.kind), "loss") for name, task in tasks.items()}
    return [*(f"{name}/{metric}" for name, metrics in known.items() for metric in metrics), "loss"]


def primary_metric(task: MulticlassConfig | MultilabelConfig | RegressionConfig) -> str:
    return task.primary_metric or registry.primary_metric(task.kind)
