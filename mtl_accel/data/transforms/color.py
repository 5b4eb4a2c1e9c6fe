"""Color operations: jitter, grayscale, normalization."""

from __future__ import annotations

import math

import numpy as np
import torch

from ...config.sections import transforms
from ...core.dtypes import sum_dtype
from .base import Operation, Parameters, as_float, between, to_device

_GRAY_WEIGHTS = (0.2989, 0.587, 0.114)
_BLENDS = ("brightness", "contrast", "saturation")
_FACTORS = (*_BLENDS, "hue")  # in the order in which torchvision numbers them


def grayscale(images: torch.Tensor) -> torch.Tensor:
    """Compute [B, H, W] from float images [B, 3, H, W].

    Products and sums are operators of their own: the last bit of a fused one depends on the CPU.
    """
    gray = images[:, 0] * _GRAY_WEIGHTS[0]
    for channel in (1, 2):
        gray += images[:, channel] * _GRAY_WEIGHTS[channel]
    return gray


def exact_mean(planes: torch.Tensor) -> torch.Tensor:
    """Compute the mean of each plane [B, H, W] in [0, 1], as float32 [B], the same to the last bit everywhere.

    A float sum depends on its order, and so on the batch size, the number of threads and the device. Here values are
    rounded to a grid that is coarse enough for exact sums: of a row in the 24 bits of float32, of rows in the 53 of
    float64. (A device without float64 adds the rows in float32, so that the last bit depends on it.)
    """
    height, width = planes.shape[1:]
    grid = 2.0 ** (24 - math.ceil(math.log2(width)))
    rows = (planes * grid).round_().sum(dim=2)
    return (rows.to(sum_dtype(rows.device)).sum(dim=1) / (grid * height * width)).to(torch.float32)


def shift_hue(images: torch.Tensor, sixths: torch.Tensor) -> None:
    """Shift the hue of float images [B, 3, H, W] in [0, 1] by sixths [B] of the color circle, in place.

    Along the circle each channel is a trapezoid between the least and the greatest channel of the pixel, which do not
    change. With red, green and blue scaled to [0, 1] by these two, the distance of the hue from cyan is
    2 + red - green - blue sixths, towards blue where blue > green. This takes no conversion to HSV and no branches:
    comparisons are slow on a CPU.
    """
    red, green, blue = images.unbind(dim=1)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma = torch.maximum(torch.maximum(red, green), blue).sub_(low)
    from_cyan = (red - green).sub_(blue).add_(low).div_(chroma.clamp_min(torch.finfo(torch.float32).tiny)).add_(2)
    from_cyan.copysign_(blue - green).add_(sixths[:, None, None])
    from_cyan.sub_((from_cyan / 6).round_().mul_(6))  # into [-3, 3]
    shares = (from_cyan.abs().sub_(1), (from_cyan + 1).abs_().neg_().add_(2), (from_cyan - 1).abs_().neg_().add_(2))
    for channel, share in enumerate(shares):
        torch.add(share.clamp_(0, 1).mul_(chroma), low, out=images[:, channel])


class ColorJitter(Operation[transforms.ColorJitter]):
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
        rank = parameters["order"].argsort(axis=1)
        # Samples are sorted by the number of blends before their hue, so that hues are shifted in slices of the batch.
        blends_before_hue = (rank[:, blends] < rank[:, 3:]).sum(axis=1)
        by_hue = blends_before_hue.argsort(kind="stable")
        bounds = np.searchsorted(blends_before_hue[by_hue], np.arange(len(blends) + 2)).tolist()
        coefficients = to_device(self._coefficients(parameters, blends, rank)[..., by_hue], images.device)
        sixths = to_device((6 * parameters["hue"][by_hue]).astype(np.float32), images.device)
        images = as_float(images.index_select(0, to_device(by_hue, images.device)))
        for step in range(len(blends) + 1):
            part = slice(bounds[step], bounds[step + 1])
            if 3 in used and part.start < part.stop:
                shift_hue(images[part], sixths[part])
            if step < len(blends):
                self._blend(images, coefficients[step])
        return images.index_select(0, to_device(by_hue.argsort(), images.device))

    @staticmethod
    def _coefficients(parameters: Parameters, blends: list[int], rank: np.ndarray) -> np.ndarray:
        """Coefficients of image, mean gray and gray in the blend of each sample at each step: [steps, 3, B]."""
        which = np.asarray(blends, dtype=np.int64)[rank[:, blends].argsort(axis=1)].T  # [steps, B]
        factors = np.stack([parameters[name] for name in _BLENDS])  # [3, B]
        factor = np.take_along_axis(factors, which, axis=0)
        return np.stack([factor, (1 - factor) * (which == 1), (1 - factor) * (which == 2)], axis=1).astype(np.float32)

    def _blend(self, images: torch.Tensor, coefficients: torch.Tensor) -> None:
        """Apply one of torchvision's blends to each sample, all as a weighted sum that is clamped. In place."""
        factor, of_mean, of_gray = coefficients[..., None, None]  # [B, 1, 1] each
        if self.config.contrast or self.config.saturation:
            gray = grayscale(images)
            mean = exact_mean(gray)[:, None, None] * of_mean if self.config.contrast else 0.0
            other = gray.mul_(of_gray).add_(mean)
            images.mul_(factor[:, None]).add_(other[:, None]).clamp_(0.0, 1.0)
        else:
            images.mul_(factor[:, None]).clamp_(0.0, 1.0)


class Grayscale(Operation[transforms.RandomGrayscale]):
    """Remove the color of the samples that are chosen."""

    num_uniforms = 1

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        return {"gray": uniforms[:, 0] < self.config.p}

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        images = as_float(images)
        chosen = to_device(parameters["gray"].astype(np.float32), images.device)[:, None, None]
        gray = grayscale(images).mul_(chosen)
        return images.mul_(1 - chosen[:, None]).add_(gray[:, None])


class Normalization(Operation[transforms.Normalize]):
    """Subtract the mean and divide by the standard deviation of each channel."""

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        images = as_float(images)
        constants = np.array([self.config.mean, self.config.std], dtype=np.float32)
        mean, std = to_device(constants, images.device)[..., None, None]  # [3, 1, 1] each
        return images.sub_(mean).div_(std)
