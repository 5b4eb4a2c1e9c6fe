"""Sizes of pictures as a list of transforms changes them, as far as a config alone tells them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .torchvision_names import TorchvisionTransform
from .transforms import (
    CachedTransform,
    CenterCrop,
    FiveCrop,
    Pad,
    PadToSquare,
    RandomResizedCrop,
    RequireSize,
    Resize,
    TenCrop,
    Transform,
)

PictureSize = tuple[int, int]  # [height, width] in pixels


class Extent(NamedTuple):
    """What is known of the sizes of all pictures, whose files may have any.

    Attributes:
        size: the one size that all of them have.
        shorter: the length of the shorter side, where all have the same one.
        longer: that of the longer side.
        is_square: whether all of them are squares.
    """

    size: PictureSize | None = None
    shorter: int | None = None
    longer: int | None = None
    is_square: bool = False

    @classmethod
    def of(cls, size: PictureSize) -> Extent:
        """Pictures of one size."""
        return cls(size, min(size), max(size), size[0] == size[1])


def resized(size: PictureSize, resize: Resize) -> PictureSize:
    """The size of a resized picture, as torchvision computes it. A side may become 0 where the other is very long."""
    if isinstance(resize.size, tuple):
        return resize.size
    short, long = min(size), max(size)
    if resize.size is None:
        assert resize.max_size is not None
        new_short, new_long = int(resize.max_size * short / long), resize.max_size
    else:
        new_short, new_long = resize.size, int(resize.size * long / short)
        if resize.max_size is not None and new_long > resize.max_size:
            new_short, new_long = int(resize.max_size * new_short / new_long), resize.max_size
    height, width = size
    return (new_long, new_short) if width <= height else (new_short, new_long)


def padding_of(pad: Pad | PadToSquare, size: PictureSize) -> tuple[int, int, int, int]:
    """Pixels that a picture of a size gets at the left, top, right and bottom, the order of torchvision."""
    if isinstance(pad, PadToSquare):
        height, width = size
        columns, rows = max(height - width, 0), max(width - height, 0)
        return columns // 2, rows // 2, columns - columns // 2, rows - rows // 2
    sides = pad.padding if isinstance(pad.padding, tuple) else (pad.padding,)
    left, top, right, bottom = sides * (4 // len(sides))
    return left, top, right, bottom


def padded(size: PictureSize, pad: Pad | PadToSquare) -> PictureSize:
    """The size of a padded picture."""
    left, top, right, bottom = padding_of(pad, size)
    return size[0] + top + bottom, size[1] + left + right


def extent_after(transforms: Iterable[Transform], extent: Extent = Extent()) -> Extent:  # noqa: B008 (immutable)
    """What is known of the sizes of pictures behind some transforms."""
    for transform in transforms:
        extent = _extent_after(transform, extent)
    return extent


def size_after(transforms: Iterable[CachedTransform], size: PictureSize) -> PictureSize:
    """The size of a picture behind cached transforms."""
    after = extent_after(transforms, Extent.of(size)).size
    assert after is not None, "the size of one picture is known behind each of them"
    return after


def _extent_after(transform: Transform, before: Extent) -> Extent:
    if isinstance(transform, RequireSize | CenterCrop | RandomResizedCrop | FiveCrop | TenCrop):
        return Extent.of(transform.size)
    if isinstance(transform, Resize):
        return _extent_resized(transform, before)
    if isinstance(transform, PadToSquare):
        return Extent(is_square=True) if before.longer is None else Extent.of((before.longer, before.longer))
    if isinstance(transform, Pad):
        if before.size is not None:
            return Extent.of(padded(before.size, transform))
        return Extent()
    if isinstance(transform, TorchvisionTransform):
        return _extent_after_torchvision(transform)
    return before


def _extent_after_torchvision(transform: TorchvisionTransform) -> Extent:
    """That of a RandomCrop; of any other only torchvision knows."""
    size = transform.arguments.get("size") if transform.name == "RandomCrop" else None
    sides = [side for side in (size if isinstance(size, list) else [size]) if type(side) is int]
    is_known = len(sides) == (len(size) if isinstance(size, list) else 1) and len(sides) in (1, 2)
    return Extent.of((sides[0], sides[-1])) if is_known else Extent()


def _extent_resized(resize: Resize, before: Extent) -> Extent:
    if isinstance(resize.size, tuple):
        return Extent.of(resize.size)
    if before.size is not None or before.is_square:  # every square becomes the same one
        return Extent.of(resized(before.size or (1, 1), resize))
    if resize.size is None:
        return Extent(longer=resize.max_size)
    return Extent() if resize.max_size is not None else Extent(shorter=resize.size)


def cached_part(transforms: Sequence[Transform]) -> tuple[CachedTransform, ...]:
    """The leading transforms that are the same in every epoch, and so are done once for each picture."""
    return tuple(itertools.takewhile(lambda t: isinstance(t, CachedTransform), transforms))  # type: ignore[arg-type]


def needs_source_size(transforms: Sequence[Transform]) -> bool:
    """Whether a list works only for pictures that all have one size already: nothing brings them to one."""
    cached = cached_part(transforms)
    return not any(isinstance(t, Resize) for t in cached) and extent_after(cached).size is None
