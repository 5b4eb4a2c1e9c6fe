"""The section `tasks`: what each head learns, and from which columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from ...metrics import registry
from ..base import Section, in_one_message
from .heads import Head
from .losses import (
    BCE,
    MSE,
    CrossEntropy,
    CumulativeLink,
    MulticlassLoss,
    MultilabelLoss,
    OrdinalLoss,
    RegressionLoss,
)

_CLASSES_RULE = 'must be null, a list of names, names by the indexes in the cells ({"0": "cat"}), or the path of a file'
Classes = Annotated[tuple[str, ...] | dict[str, str] | str | None, in_one_message("classes", _CLASSES_RULE)]
_CLASS_FORMS = (
    '; {"0": "cat"} where cells hold indexes; the path of a .txt, .json or .csv of them, relative to the data; null: '
    "sorted, from the data."
)


class _TaskConfig(Section):
    weight: float = Field(1.0, ge=0, description="Weight of the task's loss in the sum.")
    primary_metric: str | None = Field(
        None,
        description="Metric in the log and in the mean; null: accuracy, quadratic_kappa, f1_macro or r2, by the kind.",
    )
    metrics: tuple[str, ...] = Field((), description="Metrics of plugins that are computed besides the built-in ones.")
    values: dict[str, str | int | float | None] = Field(
        {},
        description='What cells of the columns mean, such as {"-1": 0, "unknown": null}; null: no label, "": a blank.',
    )
    head: Head | None = Field(
        None, description='Head of this task, such as "mlp" or {"name": "mlp", "dropout": 0.5}; null: the model\'s.'
    )
    lr_scale: float = Field(1.0, gt=0, description="Learning rate of the task's head, as a multiple of optimizer.lr.")


class MulticlassConfig(_TaskConfig):
    """One class for each image."""

    kind: Literal["multiclass"]
    column: str | None = Field(None, description="Column of the class, as text or integer.")
    columns: tuple[str, ...] | None = Field(
        None, min_length=2, description="Instead: 0/1 columns, one a class, with one 1 in a row."
    )
    classes: Classes = Field(None, description=f"Class names of `column` in index order{_CLASS_FORMS}")
    loss: MulticlassLoss = Field(CrossEntropy(name="cross_entropy"), description="Loss.")


class OrdinalConfig(_TaskConfig):
    """One class of several in order, such as sizes or grades, for each image."""

    kind: Literal["ordinal"]
    column: str = Field(description="Column of the class, as text or number.")
    classes: Classes = Field(
        None,
        description='Class names from the lowest to the highest; {"0": "S", "1": "M"} where cells hold indexes; the '
        "path of a .txt, .json or .csv of them, relative to the data; null: the numbers of the column, by their value.",
    )
    loss: OrdinalLoss = Field(CumulativeLink(name="cumulative_link"), description="Loss.")


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
    confidence: str | None = Field(
        None,
        description="Column beside `column`, one label a row: 1 for a label that the image has, 0 for one it lacks.",
    )
    absent: Literal["unknown", "no"] = Field(
        "unknown", description="With confidence: what a label is that an image has no row for; unknown is masked."
    )
    classes: Classes = Field(None, description=f"Label names of `column`{_CLASS_FORMS}")
    loss: MultilabelLoss = Field(BCE(name="bce"), description="Loss.")


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
    loss: RegressionLoss = Field(MSE(name="mse"), description="Loss.")


TaskConfig = Annotated[
    MulticlassConfig | OrdinalConfig | MultilabelConfig | RegressionConfig, Field(discriminator="kind")
]


def task_problems(name: str, task: TaskConfig) -> list[str]:
    """Problems that the keys of one task have together."""
    found: list[str] = []
    of_plugins = registry.plugin_metric_names(task.kind)
    known = registry.metric_names(task.kind, of_plugins)
    if task.primary_metric is not None and task.primary_metric not in known:
        found.append(f"tasks.{name}.primary_metric: {task.primary_metric!r} is none of {', '.join(known)}")
    found += [
        f"tasks.{name}.metrics: {metric!r} is none of those of plugins ({', '.join(of_plugins) or 'there are none'}); "
        "the built-in ones are computed in any case"
        for metric in task.metrics
        if metric not in of_plugins
    ]
    if isinstance(task, MulticlassConfig | MultilabelConfig):
        if task.columns is not None and task.column is not None:
            found.append(f"tasks.{name}: give either columns or column, not both")
        if task.classes is not None and task.column is None:
            found.append(f"tasks.{name}.classes: only with column; with columns the labels are the columns' names")
    if isinstance(task, MulticlassConfig) and task.column is task.columns is None:
        found.append(f"tasks.{name}: give column, that of the class, or columns of 0 and 1, one for each class")
    if isinstance(task, MultilabelConfig) and task.confidence is not None and task.column is None:
        found.append(f"tasks.{name}.confidence: only with column, which holds one label in each row")
    if isinstance(task, MultilabelConfig) and task.absent == "no" and task.confidence is None:
        found.append(f"tasks.{name}.absent: only with confidence; without it a label that is not named is a no")
    if isinstance(task, RegressionConfig) and task.log1p and not task.standardise:
        found.append(f"tasks.{name}.log1p: only with standardise; set that to true")
    found += _repeated(f"tasks.{name}.columns", getattr(task, "columns", None) or ())
    classes = getattr(task, "classes", None) or ()
    return found if isinstance(classes, str) else found + class_problems(f"tasks.{name}.classes", classes)


def class_problems(place: str, classes: Sequence[str] | Mapping[str, str]) -> list[str]:
    """Problems of the names of classes."""
    return _repeated(place, classes.values() if isinstance(classes, Mapping) else classes)


def names_by_index(names: Mapping[str, str]) -> dict[str, str]:
    """Sort names by their indexes where all of these are numbers; the order of the classes is theirs."""
    if all(index.removeprefix("-").isdecimal() for index in names):
        return dict(sorted(names.items(), key=lambda item: int(item[0])))
    return dict(names)


def _repeated(path: str, names: Iterable[str]) -> list[str]:
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    return [f"{path}: {repeated} stand twice; keep one of each"] if repeated else []


def task_heads(tasks: Mapping[str, TaskConfig]) -> dict[str, Head]:
    """The heads of the tasks that have another one than the model's."""
    return {name: task.head for name, task in tasks.items() if task.head is not None}


def named_columns(task: TaskConfig) -> tuple[str, ...]:
    """Columns that a task names."""
    column = getattr(task, "column", None)
    return (*(() if column is None else (column,)), *(getattr(task, "columns", None) or ()))


def metric_names(tasks: dict[str, TaskConfig]) -> list[str]:
    """Every metric that a run of these tasks reports, such as "category/accuracy"."""
    known = {name: (*registry.metric_names(task.kind, added_metrics(task)), "loss") for name, task in tasks.items()}
    return [*(f"{name}/{metric}" for name, metrics in known.items() for metric in metrics), "loss"]


def primary_metric(task: TaskConfig) -> str:
    return task.primary_metric or registry.primary_metric(task.kind)


def added_metrics(task: TaskConfig) -> tuple[str, ...]:
    """Metrics of plugins that a task has: those that it lists, and its primary one if that is of a plugin."""
    primary = [task.primary_metric] if task.primary_metric in registry.plugin_metric_names(task.kind) else []
    return tuple(dict.fromkeys([*task.metrics, *map(str, primary)]))
