"""Finds what is wrong with a list of transforms as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .picture_sizes import Extent, extent_after, needs_source_size, padding_of
from .torchvision_names import TorchvisionTransform
from .transforms import (
    CachedTransform,
    CenterCrop,
    Normalize,
    Pad,
    PadToSquare,
    RandAugment,
    RandomErasing,
    RequireSize,
    Resize,
    SeveralCrops,
    Transform,
)


def problems(transforms: Sequence[Transform], place: str, *, is_eval: bool) -> list[str]:
    """List what is wrong with some transforms as a whole; `place` is the dotted path of the list.

    Args:
        is_eval: whether they are those of evaluation, in which a picture may become several crops.
    """
    found: list[str] = []
    for index, transform in enumerate(transforms):
        where, before = f"{place}.{index}", transforms[:index]
        found += [f"{where}{problem}" for rule in _RULES if (problem := rule(transform, before))]
        if isinstance(transform, SeveralCrops) and not is_eval:
            found.append(
                f"{where}: {transform.name} stands in transforms.eval only, where a picture may become several; "
                "take CenterCrop, or torchvision's RandomCrop"
            )
    if not any(_resize_problem(transform, ()) for transform in transforms):
        found += size_problems(transforms, place)
    if not any(isinstance(t, Normalize) for t in transforms):
        found.append(f"{place}: Normalize is missing; without it the model would see pixels from 0 to 255")
    return found


def size_problems(transforms: Sequence[Transform], place: str, extent: Extent | None = None) -> list[str]:
    """List the crops and paddings that the pictures are too small for, and say if a batch has several sizes.

    Args:
        extent: what is known of the pictures before the first transform.
    """
    found: list[str] = []
    extent, varied_by = extent or Extent(), None
    for index, transform in enumerate(transforms):
        if isinstance(transform, CenterCrop | SeveralCrops) and (problem := _crop_problem(transform.size, extent)):
            found.append(f"{place}.{index}.size: {problem}")
        if isinstance(transform, Pad | PadToSquare) and (problem := padding_problem(transform, extent)):
            found.append(f"{place}.{index}: {problem}")
        extent = extent_after([transform], extent)
        varied_by = transform if isinstance(transform, Resize) and extent.size is None else varied_by
    by_torchvision = any(isinstance(t, TorchvisionTransform) for t in transforms)
    if varied_by is not None and extent.size is None and not by_torchvision and not needs_source_size(transforms):
        found.append(several_sizes_problem(place))
    return found


def several_sizes_problem(place: str) -> str:
    """The problem of a list that leaves pictures of several sizes."""
    return (
        f"{place}: Resize keeps the aspect ratio, so the pictures have several sizes, and a batch has one; put a "
        "CenterCrop, RandomCrop, RandomResizedCrop or PadToSquare behind it, or give size as [height, width]"
    )


def padding_problem(pad: Pad | PadToSquare, extent: Extent) -> str | None:
    """Why pictures cannot be padded so: a mirror image of them is smaller than the padding."""
    if extent.size is None or pad.padding_mode not in ("reflect", "symmetric"):
        return None
    left, top, right, bottom = padding_of(pad, extent.size)
    rows, columns = (side - (pad.padding_mode == "reflect") for side in extent.size)  # that there are to mirror
    if max(top, bottom) <= rows and max(left, right) <= columns:
        return None
    return (
        f"padding_mode {pad.padding_mode!r} mirrors at most {rows} rows and {columns} columns of a picture of "
        f'{list(extent.size)}, and {max(top, bottom)} and {max(left, right)} are to be added; take "edge" or "constant"'
    )


def _crop_problem(crop: tuple[int, int], extent: Extent) -> str | None:
    """Why a crop fits none of the pictures; those whose sizes are not known are checked one by one when they are."""
    if extent.size is not None:
        is_larger = crop[0] > extent.size[0] or crop[1] > extent.size[1]
        pictures = f"the picture of {list(extent.size)} before it"
    else:
        shorter, longer = extent.shorter or max(crop), extent.longer or max(crop)
        is_larger = min(crop) > shorter or max(crop) > longer
        side = "shorter" if min(crop) > shorter else "longer"
        pictures = f"the pictures before it, whose {side} side is {shorter if side == 'shorter' else longer}"
    if not is_larger:
        return None
    return f"a crop of {list(crop)} is larger than {pictures}; make it smaller, or Resize larger, or Pad before it"


def _order_problem(transform: Transform, before: Sequence[Transform]) -> str | None:
    is_normalized = any(isinstance(t, Normalize) for t in before)
    if isinstance(transform, RandomErasing) and not is_normalized:
        return ": RandomErasing must stand after Normalize"
    if not isinstance(transform, RandomErasing) and is_normalized:
        return f": {transform.name} must stand before Normalize"
    crops = [t.name for t in before if isinstance(t, SeveralCrops)]
    if crops and not isinstance(transform, Normalize):
        return f": {transform.name} must stand before {crops[0]}, which only Normalize may follow"
    return None


def _cached_problem(transform: Transform, before: Sequence[Transform]) -> str | None:
    if isinstance(transform, Resize) and not all(isinstance(t, CachedTransform) for t in before):
        return f": {transform.name} must stand before every random transform"
    if isinstance(transform, RequireSize) and before:
        return ": RequireSize must stand first, where pictures have the sizes of their files"
    return None


def _resize_problem(transform: Transform, before: Sequence[Transform]) -> str | None:
    if not isinstance(transform, Resize):
        return None
    size, longest = transform.size, transform.max_size
    if size is None and longest is None:
        return ".size: null needs max_size, the length of the longer side"
    if isinstance(size, tuple) and longest is not None:
        return f".max_size: {longest} goes with size as one number or null, and {list(size)} says both sides already"
    if isinstance(size, int) and longest is not None and longest <= size:
        return f".max_size: {longest} must be greater than size, {size}, the length of the shorter side"
    return None


def _fill_problem(transform: Transform, before: Sequence[Transform]) -> str | None:
    if not isinstance(transform, Pad | PadToSquare):
        return None
    values = transform.fill if isinstance(transform.fill, tuple) else (transform.fill,)
    if not any(values) or max(values) > 1:
        return None
    return f".fill: {max(values):g} is nearly black, since values go from 0 to 255; white is 255"


def _magnitude_problem(transform: Transform, before: Sequence[Transform]) -> str | None:
    if not isinstance(transform, RandAugment) or transform.magnitude < transform.num_magnitude_bins:
        return None
    magnitude, bins = transform.magnitude, transform.num_magnitude_bins
    return f".magnitude: {magnitude} must be smaller than num_magnitude_bins, {bins}: bins are counted from 0"


_RULES: tuple[Callable[[Transform, Sequence[Transform]], str | None], ...] = (
    _order_problem,
    _cached_problem,
    _resize_problem,
    _fill_problem,
    _magnitude_problem,
)
