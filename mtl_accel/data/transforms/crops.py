"""Several views of each picture, which the network sees one after another: crops, and pictures of other scales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torchvision.transforms.v2 import functional as tvf

from ...config.sections.picture_sizes import PictureSize
from ...config.sections.transforms import SeveralCrops, TenCrop
from ...core.errors import UserError
from .base import as_float


@dataclass(frozen=True)
class ExtraViews:
    """The views of test-time augmentation: every scale of a picture, and every crop of each of these.

    Attributes:
        size: [height, width] of each view.
        scales: those beside the picture itself. What is smaller than a view then is padded, and the middle of what is
            larger is cut out.
        crops: cut out in place of the middle; None: the middle alone.
        averages_logits: whether the crops are those of `transforms.eval`, whose logits are averaged: one pass for all.
        fill: color of the padding in [0, 1], for each channel.
    """

    size: PictureSize
    scales: tuple[float, ...]
    crops: SeveralCrops | None
    averages_logits: bool
    fill: tuple[float, ...]

    name = "test-time augmentation"

    @property
    def views_a_pass(self) -> int:
        """Consecutive views whose logits are averaged."""
        return num_crops(self.crops) if self.crops is not None and self.averages_logits else 1


def num_crops(config: SeveralCrops | ExtraViews) -> int:
    """How many crops or views a picture becomes."""
    if isinstance(config, ExtraViews):
        return (1 + len(config.scales)) * (1 if config.crops is None else num_crops(config.crops))
    return 10 if isinstance(config, TenCrop) else 5


def crops_of(images: Tensor, config: SeveralCrops | ExtraViews) -> list[Tensor]:
    """Cut crops or views [..., 3, h, w] out of images [..., 3, H, W], in torchvision's order.

    Raises:
        UserError: the images are smaller than a crop.
    """
    if isinstance(config, ExtraViews):
        return [view for views in passes_of(images, config) for view in views]
    _require_size(config.name, images, config.size)
    size = list(config.size)
    if isinstance(config, TenCrop):
        return list(tvf.ten_crop(images, size, vertical_flip=config.vertical_flip))
    return list(tvf.five_crop(images, size))


def passes_of(images: Tensor, views: ExtraViews) -> Iterator[list[Tensor]]:
    """Make the views of images [..., 3, H, W] one pass after another; float32 in [0, 1] where there are scales.

    Raises:
        UserError: the images are smaller than a view.
    """
    _require_size("CenterCrop" if views.crops is None else views.crops.name, images, views.size)
    images = as_float(images) if views.scales else images
    for scale in (1.0, *views.scales):
        scaled = images if scale == 1 else _padded(_scaled(images, scale), views)
        cut = [tvf.center_crop(scaled, list(views.size))] if views.crops is None else crops_of(scaled, views.crops)
        yield from (cut[start : start + views.views_a_pass] for start in range(0, len(cut), views.views_a_pass))


def _require_size(name: str, images: Tensor, size: PictureSize) -> None:
    height, width = images.shape[-2:]
    if size[0] > height or size[1] > width:
        raise UserError(
            f"transforms.eval: {name} of {list(size)} is larger than a picture of [{height}, {width}] before it; make "
            "it smaller, or Resize larger, or Pad before it"
        )


def _scaled(images: Tensor, scale: float) -> Tensor:
    sides = [max(1, round(scale * side)) for side in images.shape[-2:]]
    return tvf.resize(images, sides, antialias=True)


def _padded(images: Tensor, views: ExtraViews) -> Tensor:
    """Pad images until no side is shorter than a view's; the odd pixel goes to the end."""
    missing = [max(0, size - side) for size, side in zip(views.size, images.shape[-2:], strict=True)]
    if not any(missing):
        return images
    rows, columns = missing
    padding = [columns // 2, rows // 2, columns - columns // 2, rows - rows // 2]
    return tvf.pad(images, padding, fill=list(views.fill))
