"""The content of model/config.json: strict, since a model folder may come from anybody."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from ..config import knobs
from ..config.base import Strict
from ..config.extension.open_unions import Open, annotation_of
from ..config.reading import format_value
from ..config.root import MAX_BATCH_SIZE, TaskName
from ..config.rules.plugin_uses import PluginRecord, missing_problems, parse_records
from ..config.sections import transform_problems
from ..config.sections.heads import Head
from ..config.sections.losses import Loss
from ..config.sections.model import Architecture
from ..config.sections.picture_sizes import needs_source_size
from ..config.sections.tasks import TaskConfig
from ..config.sections.transforms import FixedTransform
from ..core.errors import UserError, shorten
from ..core.plugins.loading import load_installed
from ..core.tasks import Kind, Link, Scale, Task
from ..metrics import registry

_Name = Annotated[str, StringConstraints(min_length=1)]


class ModelPart(Architecture):
    """The network; other keys than its name are there where they are not null."""

    name: str = Field(description="A pair of mtl_accel.models.MODELS.")


class ScalePart(Strict):
    """Scale of a regression; one number for each column."""

    mean: tuple[float, ...]
    std: tuple[Annotated[float, Field(gt=0)], ...]
    log1p: bool


class TaskPart(Strict):
    """One task. `thresholds` belong to a multilabel task, `scale` to a regression, `link` to an ordinal one."""

    kind: Kind
    columns: tuple[_Name, ...] = Field(min_length=1)
    classes: tuple[_Name, ...] = Field(min_length=1)
    primary_metric: str
    weight: float = Field(ge=0)
    delimiter: str
    values: dict[str, str | int | float | None] = Field({})
    one_column: bool | None = None  # absent in folders of earlier versions: found by kind and columns
    confidence: str | None = None
    absent_is_no: bool = False
    metrics: tuple[_Name, ...] = ()  # of plugins
    scale: ScalePart | None = None  # null, and absent before there was a scale: not standardised
    link: Link | None = None
    thresholds: tuple[Annotated[float, Field(ge=0, le=1)], ...] | None = None
    loss: Loss | None = None
    head: Head | None = None  # null: the model's

    @model_validator(mode="after")
    def _fits_together(self) -> TaskPart:
        problems = [*self._length_problems(), *self._kind_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _length_problems(self) -> list[str]:
        lists = {"thresholds": self.thresholds}
        if self.scale is not None:
            lists |= {"scale.mean": self.scale.mean, "scale.std": self.scale.std}
        for name in ("class_weights", "pos_weight"):
            weights = getattr(self.loss, name, None)
            if isinstance(weights, tuple):
                lists[f"loss.{name}"] = weights
        found = [
            f"{name} has {len(values)} numbers for {len(self.classes)} classes"
            for name, values in lists.items()
            if values is not None and len(values) != len(self.classes)
        ]
        doubled = shorten([name for name, count in Counter(self.classes).items() if count > 1], "classes")
        return [*found, f"classes: {', '.join(doubled)} stand twice"] if doubled else found

    def _kind_problems(self) -> list[str]:
        of_plugins = registry.plugin_metric_names(self.kind)
        known = registry.metric_names(self.kind, of_plugins)
        found = [] if self.primary_metric in known else [f"primary_metric is none of {', '.join(known)}"]
        found += [f"{name!r} of metrics is none of a plugin" for name in self.metrics if name not in of_plugins]
        if (self.thresholds is not None) != (self.kind == "multilabel"):
            found.append("thresholds belong to a multilabel task, and each of these has them")
        if self.scale is not None and self.kind != "regression":
            found.append("scale belongs to a regression")
        if (self.link is not None) != (self.kind == "ordinal"):
            found.append("link belongs to an ordinal task, and each of these has one")
        if self.kind == "ordinal" and len(self.classes) < 2:
            found.append("an ordinal task has at least two classes")
        if self.loss is not None and self.loss.name not in _loss_names(self.kind):
            found.append(f"loss {self.loss.name!r} is none of a {self.kind} task")
        return found

    def to_task(self, name: str) -> Task:
        part = self.scale
        scale = None if part is None else Scale(part.mean, part.std, part.log1p)
        return Task(
            *(name, self.kind, self.columns, self.classes, self.primary_metric, self.weight, self.delimiter),
            scale=scale,
            values=self.values,
            one_column=self.one_column,
            link=self.link,
            confidence=self.confidence,
            absent_is_no=self.absent_is_no,
            metrics=self.metrics,
        )


def _loss_names(kind: Kind) -> list[str]:
    """Names of the losses that a config may give to a kind of task."""
    (section,) = knobs.sections_of(TaskConfig, {"kind": kind})
    branches = [knobs.branch_of(loss) for loss in knobs.sections_in(annotation_of(section.model_fields["loss"]))]
    return [name for branch in branches if branch is not None for name in branch.tags]


class ModelConfig(Strict):
    """The whole file. `weights_sha256`: of model.safetensors; absent in folders of earlier versions."""

    model: Annotated[ModelPart, Open("model")]
    tasks: dict[TaskName, TaskPart] = Field(min_length=1)
    transforms: tuple[FixedTransform, ...] = Field(min_length=1)
    precision: Literal["no", "fp16", "bf16"]
    batch_size: int = Field(gt=0, le=MAX_BATCH_SIZE)
    weights_sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")] | None = None
    plugins: dict[str, PluginRecord] = Field({})

    @model_validator(mode="after")
    def _is_a_pipeline(self) -> ModelConfig:
        problems = transform_problems.problems(self.transforms, "transforms", is_eval=True)
        if not problems and needs_source_size(self.transforms):
            problems = ["transforms: nothing says the size of the pictures; put RequireSize or Resize first"]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def require_plugins(content: bytes, place: str) -> None:
    """Check for the plugins that a model needs, before anything else: without them its sections make no sense.

    Raises:
        UserError: one is not here.
    """
    try:
        records = parse_records(json.loads(content), place)
    except (ValueError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        return  # what is wrong with it, pydantic says
    if missing := missing_problems(records, place):
        raise UserError(missing)


def parse(content: bytes, place: str) -> ModelConfig:
    """Parse the file `place`.

    Raises:
        UserError: everything in it that no run writes, or a plugin that it needs and that is not here.
    """
    load_installed()
    require_plugins(content, place)
    try:
        return ModelConfig.model_validate_json(content, strict=True)
    except ValidationError as error:
        problems = []
        for detail in error.errors(include_url=False):
            key = ".".join(map(str, detail["loc"])) or "the file"
            shown = "" if detail["type"] in ("missing", "value_error") else f" (got {format_value(detail['input'])})"
            problems.append(f"{place}: {key}: {detail['msg'].removeprefix('Value error, ')}{shown}")
        problems = shorten(problems, "problems")
        fix = "no version up to this one wrote that: take the folder from its source again, or a newer mtl_accel"
        raise UserError([*problems, f"{place}: {fix}"]) from error
