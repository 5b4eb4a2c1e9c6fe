"""Colour operations: jitter, greyscale, normalisation."""

from __future__ import annotations

import math

import numpy as np
import torch

from ..config import transforms
from .operation import Operation, Parameters, as_float, between, send

_GREY_WEIGHTS = (0.2989, 0.587, 0.114)
_BLENDS = ("brightness", "contrast", "saturation")
_FACTORS = (*_BLENDS, "hue")  # torchvision numbers them in this order


def greyscale(images: torch.Tensor) -> torch.Tensor:
    """[B, H, W] from float [B, 3, H, W]. Products and sums stay apart: fused, their last bit depends on the CPU."""
    grey = images[:, 0] * _GREY_WEIGHTS[0]
    for channel in (1, 2):
        grey += images[:, channel] * _GREY_WEIGHTS[channel]
    return grey


def exact_mean(planes: torch.Tensor) -> torch.Tensor:
    """Mean of each plane [B, H, W] in [0, 1], as float32 [B], the same to the last bit on every device and batch.

    A float sum depends on its order, and so on the batch's size and the number of threads. Here values are rounded to
    a grid that is coarse enough for exact sums: of a row within float32's 24 bits, of rows within float64's 53.
    """
    height, width = planes.shape[1:]
    grid = 2.0 ** (24 - math.ceil(math.log2(width)))
    rows = (planes * grid).round_().sum(dim=2)
    return (rows.to(torch.float64).sum(dim=1) / (grid * height * width)).to(torch.float32)


def shift_hue(images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Turn the hue of float images [B, 3, H, W] by shift [B] sixths of the circle, in place.

    Each channel is a trapezoid of the hue between the pixel's least and greatest channel, which stay: no way over HSV.
    """
    red, green, blue = images.unbind(dim=1)
    high = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma = high - low
    hue = torch.where(
        high == red,
        green - blue,
        torch.where(high == green, (blue - red).add_(chroma * 2), (red - green).add_(chroma * 4)),
    )
    hue.div_(chroma.clamp_min(torch.finfo(torch.float32).tiny)).add_(shift[:, None, None])
    hue.sub_((hue / 6).floor_().mul_(6))  # into [0, 6)
    # Offset and sign of the trapezoids: red is high around 0 (and 6), green around 2, blue around 4.
    for channel, (centre, sign) in enumerate(((3.0, 1.0), (2.0, -1.0), (4.0, -1.0))):
        share = (hue - centre).abs_().mul_(sign).add_(-1.0 if sign > 0 else 2.0).clamp_(0.0, 1.0)
        torch.add(low, share.mul_(chroma), out=images[:, channel])
    return images


class ColourJitter(Operation[transforms.ColorJitter]):
    """Brightness, contrast, saturation and hue by random amounts in random order."""

    num_uniforms = 8

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        drawn = {"order": uniforms[:, 4:].argsort(axis=1)}
        for column, name in enumerate(_FACTORS):
            amount = getattr(self.config, name)
            low, high = (-amount, amount) if name == "hue" else (max(0.0, 1 - amount), 1 + amount)
            drawn[name] = between(uniforms[:, column], low, high)
        return drawn

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        used = [index for index, name in enumerate(_FACTORS) if getattr(self.config, name)]
        blends = [index for index in used if index < 3]
        if not used:
            return images
        images = as_float(images)
        order = parameters["order"]
        rank = order.argsort(axis=1)
        # Hue stands before the first, second or third blend or after the last: as many blends come before it.
        hue_step = (rank[:, blends] < rank[:, 3:]).sum(axis=1)
        coefficients = send(self._coefficients(parameters, blends, rank), images.device)
        hue = send(6 * parameters["hue"].astype(np.float32), images.device)
        for step in range(len(blends) + 1):
            turned = np.flatnonzero(hue_step == step)
            if 3 in used and turned.size:
                index = send(turned, images.device)
                images.index_copy_(0, index, shift_hue(images.index_select(0, index), hue.index_select(0, index)))
            if step < len(blends):
                self._blend(images, coefficients[step])
        return images

    @staticmethod
    def _coefficients(parameters: Parameters, blends: list[int], rank: np.ndarray) -> np.ndarray:
        """[steps, 3, B]: of the picture, its mean grey and its grey, in the blend that a sample has at each step."""
        which = np.asarray(blends, dtype=np.int64)[rank[:, blends].argsort(axis=1)].T  # [steps, B]
        factors = np.stack([parameters[name] for name in _BLENDS])  # [3, B]
        factor = np.take_along_axis(factors, which, axis=0)
        return np.stack([factor, (1 - factor) * (which == 1), (1 - factor) * (which == 2)], axis=1).astype(np.float32)

    def _blend(self, images: torch.Tensor, coefficients: torch.Tensor) -> None:
        """Every blend of torchvision in one form: picture and grey weighed, then clamped. In place."""
        factor, of_mean, of_grey = coefficients[..., None, None]  # [B, 1, 1] each
        if self.config.contrast or self.config.saturation:
            grey = greyscale(images)
            mean = exact_mean(grey)[:, None, None] * of_mean if self.config.contrast else 0.0
            other = grey.mul_(of_grey).add_(mean)
            images.mul_(factor[:, None]).add_(other[:, None]).clamp_(0.0, 1.0)
        else:
            images.mul_(factor[:, None]).clamp_(0.0, 1.0)


class Greyscale(Operation[transforms.RandomGrayscale]):
    """Take the colour away."""

    num_uniforms = 1

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        return {"grey": uniforms[:, 0] < self.config.p}

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        images = as_float(images)
        chosen = send(parameters["grey"], images.device)[:, None, None, None]
        return torch.where(chosen, greyscale(images)[:, None], images)


class Normalization(Operation[transforms.Normalize]):
    """Subtract the mean and divide by the standard deviation of each channel."""

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        unit = 255.0 if images.dtype == torch.uint8 else 1.0
        normalized = torch.empty(
            images.shape, dtype=torch.float32, device=images.device, memory_format=torch.channels_last
        )
        for channel, (mean, std) in enumerate(zip(self.config.mean, self.config.std, strict=True)):
            out = normalized[:, channel]
            torch.sub(images[:, channel], mean * unit, out=out)
            out.div_(std * unit)
        return normalized
