"""Operations on the values of pixels: uint8 images [B, 3, H, W] and a strength for each sample to uint8 images.

The results are those of torchvision's functions on uint8 tensors on a CPU, to the bit, whatever the device and the
batch. So sums are exact, or are rounded where torchvision's are.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as tvf

from ..base import to_device

_GRAY_WEIGHTS = (0.2989, 0.587, 0.114)


def brightness(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Scale all channels by 1 + strength."""
    return _as_pixels(images * _of_samples(1.0 + strengths, images))


def color(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Blend with the gray picture: less color below 0, more above."""
    return _blend(images, _gray_levels(images), 1.0 + strengths)


def contrast(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Blend with the mean gray of the picture.

    The sum of its levels is exact; torchvision's is so up to 2**24, which is 256 x 256 white pixels.
    """
    gray = _gray_levels(images)
    mean = gray.sum(dim=(1, 2, 3), keepdim=True, dtype=torch.int64).to(torch.float32) / gray[0].numel()
    return _blend(images, mean, 1.0 + strengths)


def sharpness(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Blend with the picture smoothed by 3 x 3 weights of 1 and 5 in the middle; the border stays."""
    if min(images.shape[2:]) <= 2:
        return images
    levels = images.to(torch.float32)
    inner = levels[:, :, 1:-1, 1:-1]
    rows = levels[:, :, :-2] + levels[:, :, 1:-1] + levels[:, :, 2:]
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    # Sums of levels are whole numbers, and thirteenths of them lie on no half, so rounding depends on no order.
    smoothed = box.add_(inner, alpha=4).div_(13).round_()
    sharpened = images.clone()
    added = smoothed.sub_(inner)
    sharpened[:, :, 1:-1, 1:-1] = _as_pixels(_fused_add(inner, added, 1.0 - (1.0 + strengths)))
    return sharpened


def posterize(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Keep the first bits of each value; the strength is their number."""
    bits = strengths.astype(np.int64)
    mask = ((1 << bits) - 1) << (8 - bits)
    return images & _of_samples(mask, images, np.uint8)


def solarize(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Invert the values from 255 x strength on."""
    threshold = np.ceil((255 * strengths).astype(np.float32))
    return torch.where(images >= _of_samples(threshold, images, np.uint8), images.bitwise_not(), images)


def autocontrast(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Stretch each channel to the values from 0 to 255; one of a single value stays."""
    least, most = (extreme(images, (2, 3), True).to(torch.float32) for extreme in (torch.amin, torch.amax))
    span = (most - least).mul_(1.0 / 255)
    is_flat = most == least
    least, span = least.masked_fill(is_flat, 0.0), span.masked_fill(is_flat, 1.0)
    return _as_pixels((images - least).div_(span))


def equalize(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Flatten the histogram of each channel. Torchvision's works on batches, and in integers."""
    equalized: Tensor = tvf.equalize(images)
    return equalized


def invert(images: Tensor, strengths: np.ndarray) -> Tensor:
    """Turn each value to 255 minus it."""
    return images.bitwise_not()


def _of_samples(values: np.ndarray, images: Tensor, dtype: type = np.float32) -> Tensor:
    """One number for each sample, [B, 1, 1, 1], on the device of the images."""
    return to_device(values.astype(dtype), images.device)[:, None, None, None]


def _as_pixels(levels: Tensor) -> Tensor:
    """Float levels as uint8, without rounding, as torchvision does it."""
    return levels.clamp_(0, 255).to(torch.uint8)


def _gray_levels(images: Tensor) -> Tensor:
    """The gray of each pixel, float32 [B, 1, H, W] of whole numbers."""
    red, green, blue = images.split(1, dim=1)
    gray = red * _GRAY_WEIGHTS[0]
    for channel, weight in ((green, _GRAY_WEIGHTS[1]), (blue, _GRAY_WEIGHTS[2])):
        gray = _fused_add(gray, channel, np.full(len(images), weight))
    return gray.floor_()


def _blend(images: Tensor, other: Tensor, factors: np.ndarray) -> Tensor:
    """Compute factor x image + (1 - factor) x other for each sample."""
    return _as_pixels(_fused_add(images * _of_samples(factors, images), other, 1.0 - factors))


def _fused_add(total: Tensor, values: Tensor, factors: np.ndarray) -> Tensor:
    """Compute total + values x factor for each sample in float32, rounded once; `total` may be overwritten.

    It is torchvision's add_(values, alpha=factor), a fused multiply-add, which knows one factor at a time.
    """
    if total.device.type == "cuda":  # not a kernel for each sample
        return fused_add_in_float64(total, values, _of_samples(factors, total))
    for one, value, factor in zip(total, values, factors.tolist(), strict=True):
        one.add_(value, alpha=factor)
    return total


def fused_add_in_float64(total: Tensor, values: Tensor, factors: Tensor) -> Tensor:
    """Compute the same in float64, in which the product of two float32 numbers is exact: factors [B, 1, 1, 1]."""
    return (values.to(torch.float64) * factors.to(torch.float64) + total).to(torch.float32)
