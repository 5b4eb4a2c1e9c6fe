"""Several crops of each picture, which the network sees one after another in evaluation."""

from __future__ import annotations

import torch
from torchvision.transforms.v2 import functional as tvf

from ...config.sections.transforms import SeveralCrops, TenCrop
from ...core.errors import UserError


def num_crops(config: SeveralCrops) -> int:
    """How many crops a picture becomes."""
    return 10 if isinstance(config, TenCrop) else 5


def crops_of(images: torch.Tensor, config: SeveralCrops) -> list[torch.Tensor]:
    """Cut crops [..., 3, h, w] out of images [..., 3, H, W], in torchvision's order.

    Raises:
        UserError: the images are smaller than a crop.
    """
    (height, width), size = images.shape[-2:], list(config.size)
    if size[0] > height or size[1] > width:
        raise UserError(
            f"transforms.eval: {config.name} of {size} is larger than a picture of [{height}, {width}] before it; make "
            "it smaller, or Resize larger, or Pad before it"
        )
    if isinstance(config, TenCrop):
        return list(tvf.ten_crop(images, size, vertical_flip=config.vertical_flip))
    return list(tvf.five_crop(images, size))
