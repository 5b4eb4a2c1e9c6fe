"""The section `data`: where images and labels come from, and how they are split and cached."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ..base import PLACE, SPEED, Section
from ..extension.open_unions import Open
from ..extension.source_options import SourceOptions
from .sampling import RareLabels
from .tasks import MultilabelConfig, TaskConfig

SplitName = Literal["train", "validation", "test", "val", "valid", "dev"]
_VALIDATION = ("val", "valid", "dev")  # its other names
MAX_DRAWN = 10_000_000  # images of a split: about 200 GB


class WardrobeConfig(Section):
    """Size of the embedded data set; used when data.source is "wardrobe"."""

    num_train: int = Field(4000, gt=0, le=MAX_DRAWN, description="Training images.")
    num_validation: int = Field(800, gt=0, le=MAX_DRAWN, description="Validation images.")
    num_test: int = Field(800, gt=0, le=MAX_DRAWN, description="Test images.")
    image_size: int = Field(256, ge=32, le=1024, description="Height and width of the drawn images in pixels.")
    seed: int = Field(0, ge=0, lt=2**31, description="Another seed draws other garments.")


class JoinConfig(Section):
    """A further table, whose columns are joined to the rows of the same image."""

    table: str = Field(description="Its file, absolute or relative to the folder of data.source.")
    on: str | None = Field(
        None, description="Column of both tables whose cells are compared; null: that of the image names."
    )
    how: Literal["exact", "inner", "left"] = Field(
        "exact",
        description='Rows of either table without a partner: an error, left out ("inner"), or kept with blank cells if '
        'they are not of this table ("left").',
    )
    column_names: tuple[str, ...] | None = Field(
        None, min_length=1, description="Names of its columns if it has no header; null: it has one."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        """A name of a file alone is the table."""
        if isinstance(value, dict):  # what a validator has returned is no JSON any more, whose lists are tuples
            return {key: tuple(entry) if isinstance(entry, list) else entry for key, entry in value.items()}
        return {"table": value} if isinstance(value, str) else value


def _allow_names(schema: dict[str, Any]) -> None:
    """Let the JSON Schema of a list of tables have names of files in place of sections."""
    schema["items"] = {"anyOf": [{"type": "string"}, schema["items"]]}


class DataConfig(Section):
    """The source of images and labels."""

    source: str = Field(
        "wardrobe",
        description='"wardrobe" (the embedded data set), a folder (CSVs and images, imagefolder, Parquet, '
        "save_to_disk), the path of one table, a data set's id on the Hugging Face Hub, or NAME:ARGUMENT of a plugin.",
    )
    options: Annotated[SourceOptions, Open("source")] | None = Field(
        None, description="Knobs of a plugin's source; null: their defaults."
    )
    config_name: str | None = Field(None, description="Configuration of a data set on the Hub.")
    revision: str | None = Field(None, description="Commit, tag or branch of a data set on the Hub.")
    streaming: bool = Field(False, description="Read a data set on the Hub row by row, without downloading it whole.")
    tables: dict[SplitName, str] | None = Field(
        None,
        description='Table of each split, such as {"train": "labels.csv", "test": "new.xlsx"}: absolute, or relative '
        "to data.source; null: found by their names; {}: none, the folders are the classes.",
    )
    join: tuple[JoinConfig, ...] = Field(
        (),
        description='Further tables, joined by the image names, such as ["list_eval_partition.csv"].',
        json_schema_extra=_allow_names,
    )
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
    rows: Literal["wide", "long"] | None = Field(
        None,
        description='"wide": a row for each image; "long": one for each label of an image, which is its id and the '
        "`column` of a multilabel task; null: found, long where ids repeat with one label in a cell.",
    )
    split_column: str | None = Field(
        None,
        description="Column that says the split of each row of a single table; null: found by the names split, set, "
        'partition, subset and is_valid; "": none.',
    )
    delimiter: Literal[",", ";", "\t", "|", " "] | None = Field(
        None,
        description='Between the cells of text tables, " " for runs of spaces; null: the one that splits the header '
        "and fits all rows.",
    )
    encoding: str | None = Field(
        None,
        description="Encoding of text tables by Python's name, such as cp1252; null: UTF-8, or UTF-16 by its byte "
        "order mark.",
    )
    column_names: tuple[str, ...] | None = Field(
        None, min_length=1, description="Names of the columns of text tables that have no header; null: they have one."
    )
    sheet: str | None = Field(None, description="Sheet of .xlsx files; null: the first.")
    index_column: Literal["drop", "error"] | None = Field(
        None,
        description='First column without a name of a text table: "drop" leaves it out, "error" refuses it; null: left '
        "out if it counts the rows.",
    )
    validation_fraction: float = Field(
        0.12,
        gt=0,
        lt=1,
        description="Share of the training rows held out when the source has no validation split.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        lt=2**31,
        description="Seed of the hold-out and of the folds, apart from `seed`: runs of all seeds compare.",
    )
    stratify: Literal["sets", "labels"] = Field(
        "sets",
        description='What a hold-out and folds keep in proportion: "sets": what all tasks say of an image together; '
        '"labels": each class and each label by itself, as rare labels need (Sechidis et al., 2011).',
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
        2, ge=0, le=1024, description="Loader processes: they decode, and run per-sample transforms."
    )
    sampler: RareLabels | None = Field(
        None, description="Which training samples an epoch has; null: each of them once, in another order each epoch."
    )
    wardrobe: WardrobeConfig = Field(WardrobeConfig(), description="Size of the embedded data set.")

    @field_validator("tables", mode="after")
    @classmethod
    def _with_validation(cls, tables: dict[SplitName, str] | None) -> dict[SplitName, str] | None:
        """Name the validation split by its one name."""
        if tables is None:
            return None
        names = [name for name in tables if name in ("validation", *_VALIDATION)]
        if len(names) > 1:
            raise ValueError(f"must name validation once, and not as {' and '.join(names)}")
        return {("validation" if name in _VALIDATION else name): file for name, file in tables.items()}


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


def sampler_problems(sampler: RareLabels | None, tasks: dict[str, TaskConfig]) -> list[str]:
    """Problems of a sampler, which needs classes or labels that can be rare."""
    fit = [name for name, task in tasks.items() if task.kind != "regression"]
    if sampler is None or (sampler.task in fit if sampler.task else fit):
        return []
    known = f"none of {', '.join(fit)}" if fit else "of no use, since numbers are never rare"
    return [f"data.sampler.task: {sampler.task!r} is {known}; name a task with classes or labels, or give null"]


def row_problems(data: DataConfig, tasks: dict[str, TaskConfig]) -> list[str]:
    """Problems of the form of the rows, which tasks depend on."""
    lists = [task for task in tasks.values() if isinstance(task, MultilabelConfig) and task.column is not None]
    if data.rows == "long" and not lists:
        return ['data.rows: "long" needs a multilabel task whose "column" holds the label of each row']
    if data.rows == "wide" and any(task.confidence is not None for task in lists):
        return ['data.rows: a "confidence" of a task is that of one label in each row, so the rows are "long"']
    return []
