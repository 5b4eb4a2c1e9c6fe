"""Operations that move or cover pixels: flips, rotation, resized crop, erasing."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import functional as tvf

from ...config.sections import transforms
from ...config.sections.picture_sizes import padded, padding_of
from .base import Operation, Parameters, as_float, between, to_device

_NUM_TRIES = 10  # for a box that fits, as in torchvision


class Flip(Operation[transforms.RandomHorizontalFlip | transforms.RandomVerticalFlip]):
    """Mirror the samples that are chosen."""

    num_uniforms = 1
    axis: ClassVar[str]  # "columns" or "rows"

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        return {"flip": uniforms[:, 0] < self.config.p}

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        rows = to_device(np.flatnonzero(parameters["flip"]), images.device)
        flipped = images.index_select(0, rows).flip(3 if self.axis == "columns" else 2)
        return images.index_copy(0, rows, flipped)


class HorizontalFlip(Flip):
    """Mirror left and right."""

    axis = "columns"


class VerticalFlip(Flip):
    """Mirror up and down."""

    axis = "rows"


class CenteredCrop(Operation[transforms.CenterCrop]):
    """Cut the middle out."""

    @property
    def output_size(self) -> tuple[int, int]:
        return self.config.size

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        (top, height), (left, width) = (
            (round((before - after) / 2), after) for before, after in zip(self.size, self.config.size, strict=True)
        )
        return images[..., top : top + height, left : left + width]


class Padding(Operation[transforms.Pad | transforms.PadToSquare]):
    """Add pixels around the picture."""

    @property
    def output_size(self) -> tuple[int, int]:
        return padded(self.size, self.config)

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        fill = self.config.fill if isinstance(self.config.fill, tuple) else (self.config.fill,)
        scaled = [value / 255 if images.is_floating_point() else round(value) for value in fill]
        padding = list(padding_of(self.config, self.size))
        return tvf.pad(images, padding, scaled if len(scaled) > 1 else scaled[0], self.config.padding_mode)


class Rotation(Operation[transforms.RandomRotation]):
    """Rotate about the center, counter-clockwise for positive angles; the size stays.

    If the parameters "columns" and "rows" [B] are given, samples are mirrored along these axes first.
    """

    num_uniforms = 1

    @property
    def can_flip(self) -> bool:
        """Whether flips can be part of the rotation. Bilinear weights would be rounded otherwise than without."""
        return self.config.interpolation == "nearest"

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        return {"angle": between(uniforms[:, 0], *self.config.degrees)}

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        x, y = self._source_coordinates(parameters["angle"], images)
        if self.config.interpolation == "bilinear":
            return _sample_bilinear(as_float(images), x, y, self.config.fill / 255)
        if images.dtype == torch.uint8 and self.config.fill.is_integer():  # a quarter of the bytes to move
            return sample_nearest(images, x, y, int(self.config.fill) or None, parameters)
        return sample_nearest(as_float(images), x, y, self.config.fill / 255 or None, parameters)

    @staticmethod
    def _source_coordinates(angle: np.ndarray, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Column and row in the source for each pixel of the result: float32 [B, H, W] each."""
        height, width = images.shape[2:]
        radians = np.radians(angle)
        cos_sin = to_device(np.stack([np.cos(radians), np.sin(radians)]).astype(np.float32), images.device)
        cos, sin = cos_sin[..., None, None]  # [B, 1, 1] each
        column = torch.arange(width, dtype=torch.float32, device=images.device) - (width - 1) / 2
        row = (torch.arange(height, dtype=torch.float32, device=images.device) - (height - 1) / 2)[:, None]
        x = (column * cos + (width - 1) / 2) - row * sin
        y = (column * sin + (height - 1) / 2) + row * cos
        return x, y


def sample_nearest(
    images: torch.Tensor,
    x: torch.Tensor,
    y: torch.Tensor,
    fill: float | torch.Tensor | None,
    mirrored: Parameters = MappingProxyType({}),
) -> torch.Tensor:
    """Sample mirrored images at the rounded columns x and rows y [B, H, W], which are overwritten.

    Args:
        fill: value where these are outside, or one for each channel, [3, 1, 1]; None: 0.
        mirrored: "columns" and "rows", bool [B]: the samples that are mirrored along these axes first.
    """
    height, width = images.shape[2:]
    inner_x, inner_y = x.round_().clamp(0, width - 1), y.round_().clamp(0, height - 1)
    # 1 inside and 0 outside, in the dtype of the pixels: on a CPU products are much faster than masks.
    inside = x.eq_(inner_x).mul_(y.eq_(inner_y)).to(images.dtype)[:, None]
    sign_x, sign_y, offset = to_device(_index_of_mirrored(mirrored, len(images), height, width), x.device)[
        ..., None, None
    ]
    # In float32, which is exact for images of up to 4096 x 4096, and then in one step to the dtype of gather.
    index = inner_y.mul_(sign_y).add_(inner_x.mul_(sign_x)).add_(offset).to(torch.int64)
    sampled = images.flatten(2).gather(2, index.flatten(1)[:, None].expand(-1, 3, -1)).view_as(images)
    sampled.mul_(inside)
    return sampled if fill is None else sampled.add_((1 - inside) * fill)


def _index_of_mirrored(mirrored: Parameters, count: int, height: int, width: int) -> np.ndarray:
    """Signs and offset, float32 [3, B]: pixel (x, y) of a mirrored image is number sign_x x + sign_y y + offset."""
    none = np.zeros(count, dtype=bool)
    columns, rows = (mirrored.get(axis, none) for axis in ("columns", "rows"))
    offset = columns * (width - 1) + rows * (height - 1) * width
    return np.stack([np.where(columns, -1, 1), np.where(rows, -width, width), offset]).astype(np.float32)


def _sample_bilinear(images: torch.Tensor, x: torch.Tensor, y: torch.Tensor, fill: float) -> torch.Tensor:
    """Sample images as torchvision does; a channel of ones shows how much of a pixel was inside."""
    height, width = images.shape[2:]
    grid = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=3)
    inside = torch.ones_like(images[:, :1])
    sampled = F.grid_sample(torch.cat([images, inside], dim=1), grid, padding_mode="zeros", align_corners=False)
    color, inside = sampled[:, :3], sampled[:, 3:]
    return color.sub_(fill).mul_(inside).add_(fill)


class ResizedCrop(Operation[transforms.RandomResizedCrop]):
    """Cut out a box of random area and aspect ratio and resize it (bilinear, antialiased)."""

    num_uniforms = 2 * _NUM_TRIES + 2

    @property
    def output_size(self) -> tuple[int, int]:
        return self.config.size

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        height, width = self.size
        area, ratio = _boxes(uniforms, self.size, self.config.scale, self.config.ratio)
        w, h = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
        h, w, found = _first_fitting(h, w, fits)
        top, left = _corner(uniforms, height - h, width - w)
        # Where no box fits: the middle, with the aspect ratio that is nearest to the allowed ones.
        least, most = min(self.config.ratio), max(self.config.ratio)
        middle_h = round(width / least) if width / height < least else height
        middle_w = round(height * most) if width / height > most else width
        return {
            "top": np.where(found, top, (height - middle_h) // 2),
            "left": np.where(found, left, (width - middle_w) // 2),
            "height": np.where(found, h, middle_h),
            "width": np.where(found, w, middle_w),
        }

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        # One sample at a time, since the boxes differ in size; with the resize that torchvision uses.
        resized = torch.empty((len(images), 3, *self.config.size), dtype=torch.float32, device=images.device)
        box = np.stack([parameters[name] for name in ("top", "left", "height", "width")], axis=1).tolist()
        for sample, (top, left, height, width) in enumerate(box):
            crop = as_float(images[sample : sample + 1, :, top : top + height, left : left + width])
            resized[sample] = F.interpolate(
                crop, self.config.size, mode="bilinear", antialias=True, align_corners=False
            )[0]
        return resized


class Erasing(Operation[transforms.RandomErasing]):
    """Overwrite a box."""

    num_uniforms = 2 * _NUM_TRIES + 3

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        height, width = self.size
        area, ratio = _boxes(uniforms, self.size, self.config.scale, self.config.ratio)
        h, w = np.rint(np.sqrt(area * ratio)), np.rint(np.sqrt(area / ratio))
        h, w, found = _first_fitting(h, w, (h < height) & (w < width))
        top, left = _corner(uniforms, height - h, width - w)
        chosen = found & (uniforms[:, -1] < self.config.p)
        box = {"top": top, "left": left, "height": h, "width": w}
        return {name: np.where(chosen, side, 0) for name, side in box.items()}

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        images = as_float(images)
        box = np.stack([parameters[name] for name in ("top", "left", "height", "width")])
        top, left, height, width = to_device(box, images.device)[..., None]  # [B, 1] each
        row = torch.arange(images.shape[2], device=images.device)
        column = torch.arange(images.shape[3], device=images.device)
        rows = ((row >= top) & (row < top + height)).to(torch.float32)
        columns = ((column >= left) & (column < left + width)).to(torch.float32)
        erased = rows[:, None, :, None] * columns[:, None, None, :]
        return images.mul_(1 - erased).add_(erased.mul_(self.config.value))


def _boxes(
    uniforms: np.ndarray, size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Area in pixels and aspect ratio of each try: [B, tries] each."""
    area = size[0] * size[1] * between(uniforms[:, :_NUM_TRIES], *scale)
    log_ratio = between(uniforms[:, _NUM_TRIES : 2 * _NUM_TRIES], math.log(ratio[0]), math.log(ratio[1]))
    return area, np.exp(log_ratio)


def _first_fitting(h: np.ndarray, w: np.ndarray, fits: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Height and width of the first try that fits, and whether there is one: [B] each."""
    first = fits.argmax(axis=1)[:, None]
    found = np.asarray(fits.any(axis=1))
    pick = (np.take_along_axis(side, first, axis=1)[:, 0] for side in (h, w))
    h, w = (np.where(found, side, 0).astype(np.int64) for side in pick)
    return h, w, found


def _corner(uniforms: np.ndarray, spare_rows: np.ndarray, spare_columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top and left of a box, int64 [B] each, where this many rows and columns are left beside it."""
    top = uniforms[:, 2 * _NUM_TRIES] * (spare_rows + 1)
    left = uniforms[:, 2 * _NUM_TRIES + 1] * (spare_columns + 1)
    return top.astype(np.int64), left.astype(np.int64)
