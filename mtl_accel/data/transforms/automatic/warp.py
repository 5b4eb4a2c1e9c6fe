"""Shears, translations and rotations of uint8 images, each sample by its own matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..base import to_device
from ..geometry import sample_nearest

OPERATIONS = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")


def warp(
    images: Tensor,
    operations: Sequence[str],
    strengths: np.ndarray,
    interpolation: str,
    fill: float | tuple[float, ...] | None,
) -> Tensor:
    """Move the pixels of uint8 images [B, 3, H, W], by one operation and strength for each sample.

    A shear's strength is its slope, a translation's whole pixels, and a rotation's degrees, counter-clockwise.
    """
    height, width = images.shape[2:]
    matrices = [
        _matrix(operation, strength, (height, width))
        for operation, strength in zip(operations, strengths.tolist(), strict=True)
    ]
    x, y = _grid(np.array(matrices, dtype=np.float32), images)
    if interpolation == "bilinear":
        return _sample_bilinear(images, torch.stack([x, y], dim=3), fill)
    columns = x.add_(1).mul_(width / 2).sub_(0.5)
    rows = y.add_(1).mul_(height / 2).sub_(0.5)
    whole = None if fill is None else np.rint(fill).astype(np.uint8).reshape(-1, 1, 1)
    return sample_nearest(images, columns, rows, None if whole is None else to_device(whole, images.device))


def _matrix(operation: str, strength: float, size: tuple[int, int]) -> list[float]:
    """From pixels of the result to those of the source, about the center: [a, b, c, d, e, f] of x' = ax + by + c and
    y' = dx + ey + f.

    The arithmetic is that of torchvision's affine and rotate, step by step, so that the last bit agrees.
    """
    height, width = size
    angle = math.radians(-(strength % 360)) if operation == "Rotate" else 0.0
    slopes = [math.degrees(math.atan(strength)) if operation == name else 0.0 for name in ("ShearX", "ShearY")]
    shear_x, shear_y = map(math.radians, slopes)
    tx, ty = (float(int(strength)) if operation == name else 0.0 for name in ("TranslateX", "TranslateY"))
    cx, cy = (-width * 0.5, -height * 0.5) if operation.startswith("Shear") else (0.0, 0.0)
    a = math.cos(angle - shear_y) / math.cos(shear_y)
    b = -(a * math.tan(shear_x) + math.sin(angle))
    c = math.sin(angle - shear_y) / math.cos(shear_y)
    d = math.cos(angle) - c * math.tan(shear_x)
    x_offset = cx - d * (cx + tx) + b * (cy + ty)
    y_offset = cy + c * (cx + tx) - a * (cy + ty)
    return [d, -b, x_offset, -c, a, y_offset]


def _grid(matrices: np.ndarray, images: Tensor) -> tuple[Tensor, Tensor]:
    """Source coordinates of each pixel, from -1 to 1 over the picture: float32 [B, H, W] each."""
    height, width = images.shape[2:]
    scaled = matrices.reshape(-1, 2, 3) / np.array([0.5 * width, 0.5 * height], dtype=np.float32)[:, None]
    column = torch.arange(width, dtype=torch.float32, device=images.device) - (width - 1) / 2
    row = (torch.arange(height, dtype=torch.float32, device=images.device) - (height - 1) / 2)[:, None]
    of_x, of_y = to_device(scaled, images.device)[..., None, None].unbind(1)  # [B, 3, 1, 1] each
    # Products and sums are operators of their own: the last bit of a fused one depends on the device.
    x, y = (column * of[:, 0] + row * of[:, 1] + of[:, 2] for of in (of_x, of_y))
    return x, y


def _sample_bilinear(images: Tensor, grid: Tensor, fill: float | tuple[float, ...] | None) -> Tensor:
    """Sample as torchvision does; a channel of ones shows how much of a pixel was inside."""
    levels = images.to(torch.float32)
    if fill is None:
        sampled = F.grid_sample(levels, grid, padding_mode="zeros", align_corners=False)
        return sampled.round_().to(torch.uint8)
    color = to_device(np.array(fill, dtype=np.float32).reshape(-1, 1, 1), images.device)
    levels = torch.cat([levels, torch.ones_like(levels[:, :1])], dim=1)
    sampled = F.grid_sample(levels, grid, padding_mode="zeros", align_corners=False)
    return (sampled[:, :3] - color).mul_(sampled[:, 3:]).add_(color).round_().to(torch.uint8)
