"""The sections of a config: data, tasks, model, transforms."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..metrics import registry
from .base import PLACE, SPEED, Section
from .losses import BCE, MSE, CrossEntropy, MulticlassLoss, MultilabelLoss, RegressionLoss
from .sampling import RareLabels
from .transforms import FixedTransform, Transform


class WardrobeConfig(Section):
    """Size of the embedded data set; used when data.source is "wardrobe"."""

    num_train: int = Field(4000, gt=0, description="Training images.")
    num_validation: int = Field(800, gt=0, description="Validation images.")
    num_test: int = Field(800, gt=0, description="Test images.")
    image_size: int = Field(256, ge=32, le=1024, description="Height and width of the drawn images in pixels.")
    seed: int = Field(0, ge=0, description="Another seed draws other garments.")


class DataConfig(Section):
    """The source of images and labels."""

    source: str = Field(
        "wardrobe",
        description='"wardrobe" (the embedded data set), a folder (CSVs and images, imagefolder, Parquet, '
        "save_to_disk), the path of one table, or a data set's id on the Hugging Face Hub.",
    )
    config_name: str | None = Field(None, description="Configuration of a data set on the Hub.")
    revision: str | None = Field(None, description="Commit, tag or branch of a data set on the Hub.")
    streaming: bool = Field(False, description="Read a data set on the Hub row by row, without downloading it whole.")
    image_column: str | None = Field(None, description="Column of the images; null: found by the usual names.")
    image_dirs: Annotated[tuple[str, ...] | None, PLACE] = Field(
        None,
        min_length=1,
        description="Folders in which images are looked up first, absolute or relative to that of the table.",
    )
    image_names: Literal["similar", "exact"] = Field(
        "similar",
        description='"similar": a file whose name differs in case, suffix, slashes or Unicode form alone is taken.',
    )
    on_bad_image: Literal["error", "skip"] = Field(
        "error",
        description='Images that cannot be decoded: "error" names them, "skip" leaves out and lists their rows.',
    )
    id_column: str | None = Field(None, description="Column of the ids; null: found by the usual names.")
    split_column: str | None = Field(
        None,
        description="Column that says the split of each row of a single table; null: found by the names split, set, "
        'partition, subset and is_valid; "": none.',
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        None, description="Between the cells of text tables; null: the one that splits the header and fits all rows."
    )
    encoding: str | None = Field(
        None,
        description="Encoding of text tables by Python's name, such as cp1252; null: UTF-8, or UTF-16 by its byte "
        "order mark.",
    )
    validation_fraction: float = Field(
        0.12,
        gt=0,
        lt=1,
        description="Share of the training rows held out when the source has no validation split.",
    )
    split_seed: int = Field(
        0, ge=0, description="Seed of the hold-out and of the folds, apart from `seed`: runs of all seeds compare."
    )
    group_column: str | None = Field(
        None, description="Column whose rows of one value stay together, in training or in validation."
    )
    folds: int | None = Field(
        None, ge=2, description="Cut the training rows into so many parts and hold out one, in place of a fraction."
    )
    fold_column: str | None = Field(None, description="Column that holds the number of each row's fold, instead.")
    fold: int | None = Field(None, ge=0, description="The fold that is held out, counted from 0.")
    max_images: int | None = Field(
        None, gt=0, description="Use only this many rows of each split, the first ones; null: all."
    )
    cache: Annotated[Literal["disk", "device", "none"], SPEED] = Field(
        "disk",
        description="Decoded pictures: a memory-mapped file, the accelerator's memory (RAM on CPU), or decoded anew "
        "each epoch by loader workers.",
    )
    cache_dir: Annotated[str | None, PLACE] = Field(
        None, description="Folder of cached pixels and tables; null: ~/.cache/mtl_accel."
    )
    num_workers: Annotated[int, SPEED] = Field(
        2, ge=0, description="Loader processes: they decode, and run per-sample transforms."
    )
    sampler: RareLabels | None = Field(
        None, description="Which training samples an epoch has; null: each of them once, in another order each epoch."
    )
    wardrobe: WardrobeConfig = Field(WardrobeConfig(), description="Size of the embedded data set.")


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


class ModelConfig(Section):
    """The network: a backbone and one head a task."""

    name: str = Field(
        "resnet18_relu_linear", description="A pair of mtl_accel.models.MODELS, such as vgg16_relu_linear."
    )
    weights: str | None = Field(
        None,
        description="Weights of the backbone: null (random), a torchvision name such as IMAGENET1K_V1 (of timm_linear "
        '"pretrained"), or the path of a local .pth or .safetensors file.',
    )
    backbone: str | None = Field(
        None, description="Backbone of timm_linear by timm's name, such as resnet18.a1_in1k; null for all others."
    )
    backbone_lr_scale: float = Field(
        1.0, gt=0, description="Learning rate of the backbone, as a multiple of optimizer.lr, which the heads have."
    )
    layer_lr_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor on the rate from each block of the backbone to the block before it; the last block has it "
        "once.",
    )
    freeze_backbone_epochs: int = Field(
        0,
        ge=0,
        description="First epochs, in which the heads alone train. The backbone is in evaluation mode then: "
        "BatchNorm's running statistics stand still.",
    )


class TransformsConfig(Section):
    """Image transforms in order."""

    train: tuple[Transform, ...] = Field(min_length=1, description="For training.")
    eval: tuple[FixedTransform, ...] = Field(min_length=1, description="For validation, test and prediction.")


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


def fold_problems(data: DataConfig) -> list[str]:
    """What the knobs of the folds get wrong together."""
    found = []
    if data.folds is not None and data.fold_column is not None:
        found.append("data.folds: give either folds or fold_column, not both")
    if (data.fold is None) != (data.folds is None and data.fold_column is None):
        found.append("data.fold: goes with data.folds or data.fold_column, and both are needed")
    if data.fold_column is not None and data.group_column is not None:
        found.append("data.group_column: the folds of data.fold_column are made already; leave one of the two out")
    if data.folds is not None and data.fold is not None and data.fold >= data.folds:
        found.append(f"data.fold: {data.fold} is none of the folds 0 to {data.folds - 1}")
    return found


def sampler_problems(
    sampler: RareLabels | None, tasks: dict[str, MulticlassConfig | MultilabelConfig | RegressionConfig]
) -> list[str]:
    """Problems of a sampler, which needs classes or labels that can be rare."""
    fit = [name for name, task in tasks.items() if not isinstance(task, RegressionConfig)]
    if sampler is None or (sampler.task in fit if sampler.task else fit):
        return []
    known = f"none of {', '.join(fit)}" if fit else "of no use, since numbers are never rare"
    return [f"data.sampler.task: {sampler.task!r} is {known}; name a multiclass or multilabel task, or give null"]


def metric_names(tasks: dict[str, MulticlassConfig | MultilabelConfig | RegressionConfig]) -> list[str]:
    """Every metric that a run of these tasks reports, such as "category/accuracy"."""
    known = {name: (*registry.metric_names(task.kind), "loss") for name, task in tasks.items()}
    return [*(f"{name}/{metric}" for name, metrics in known.items() for metric in metrics), "loss"]


def primary_metric(task: MulticlassConfig | MultilabelConfig | RegressionConfig) -> str:
    return task.primary_metric or registry.primary_metric(task.kind)
