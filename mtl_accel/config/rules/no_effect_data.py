"""Knobs of tasks, data and transforms that have no effect beside the others."""

from __future__ import annotations

from collections.abc import Iterator

from ..root import Root
from ..sections.data import DataConfig
from ..sections.losses import BCE
from ..sections.tasks import MultilabelConfig
from ..sections.transforms import ColorJitter, Pad, PadToSquare

WARDROBE = "wardrobe"  # the embedded data set
# Of data sets that are files, and so of no use to the embedded one; without those that reading any data infers.
_OF_FILES = (
    *("config_name", "revision", "streaming", "tables", "join", "image_dirs", "image_names"),
    *("delimiter", "encoding", "column_names", "sheet", "index_column"),
)
_OF_HOLDOUT = ("validation_fraction", "split_seed", "stratify", "group_column")


def _is_given(data: DataConfig, key: str) -> bool:
    return bool(getattr(data, key) != DataConfig.model_fields[key].default)


def task_lines(config: Root) -> Iterator[str]:
    """Lines on the tasks."""
    for name, task in config.tasks.items():
        loss = task.loss
        most = BCE.model_fields["max_pos_weight"].default
        if isinstance(loss, BCE) and loss.pos_weight != "balanced" and loss.max_pos_weight != most:
            yield (
                f"tasks.{name}.loss.max_pos_weight: {loss.max_pos_weight:g} is the largest weight of "
                f'"pos_weight": "balanced", which is not given'
            )
        if isinstance(task, MultilabelConfig) and task.delimiter is not None and task.column is None:
            yield f"tasks.{name}.delimiter: {task.delimiter!r} stands between the names of `column`, which is not given"


def data_lines(config: Root) -> Iterator[str]:
    """Lines on the section `data`, as far as they depend on no file."""
    data, sampler = config.data, config.data.sampler
    if data.source == WARDROBE:
        for key in _OF_FILES:
            if _is_given(data, key):
                yield f'data.{key}: the embedded data set "{WARDROBE}" has no files to read; name a data.source'
    elif _is_given(data, "wardrobe"):
        yield f'data.wardrobe: data.source is {data.source!r}, and not "{WARDROBE}"'
    if data.folds is not None or data.fold_column is not None:
        made = "data.folds" if data.folds is not None else "data.fold_column"
        for key in ("validation_fraction", *(("split_seed", "stratify") if data.folds is None else ())):
            if _is_given(data, key) and not (key == "split_seed" and data.split_seed == config.seed):
                yield f"data.{key}: {made} says what is held out"
    if sampler is not None and sampler.power == 0:
        yield "data.sampler.power: 0 draws all samples alike, and some twice and others not at all; null is each once"
    if sampler is not None and sampler.max_weight == 1:
        yield "data.sampler.max_weight: 1 leaves no sample a larger weight than others"


def holdout_lines(config: Root, *, is_held_out: bool) -> list[str]:
    """Lines on what is held out of the training rows, once the splits are read."""
    if is_held_out:
        return []
    data = config.data
    given = [key for key in _OF_HOLDOUT if _is_given(data, key)]
    given = [key for key in given if not (key == "split_seed" and data.split_seed == config.seed)]  # of older versions
    return [f"data.{key}: the data have a validation split, so nothing is held out" for key in given]


def transform_lines(config: Root) -> Iterator[str]:
    """Lines on the lists of transforms."""
    for split, transforms in (("train", config.transforms.train), ("eval", config.transforms.eval)):
        for index, transform in enumerate(transforms):
            place = f"transforms.{split}.{index}"
            if isinstance(transform, Pad | PadToSquare) and transform.fill and transform.padding_mode != "constant":
                yield f'{place}.fill: new pixels hold it with "padding_mode": "constant" alone'
            if isinstance(transform, ColorJitter) and not any(
                (transform.brightness, transform.contrast, transform.saturation, transform.hue)
            ):
                yield f"{place}: ColorJitter changes nothing where brightness, contrast, saturation and hue are all 0"
