"""Colour operations: jitter, greyscale, normalisation."""

from __future__ import annotations

import math

import numpy as np
import torch

from ...config import transforms
from .base import Operation, Parameters, as_float, between, send

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


def turn_hue(images: torch.Tensor, turn: torch.Tensor) -> None:
    """Turn the hue of float images [B, 3, H, W] in [0, 1] by turn [B] sixths of the circle, in place.

    On the circle each channel is a trapezoid between the pixel's least and greatest channel, which stay. With red,
    green and blue scaled to [0, 1] by these two, the hue's distance from cyan is 2 + red - green - blue sixths, on
    blue's side where blue > green. So there is no way over HSV, and no branch: comparisons are slow on a CPU.
    """
    red, green, blue = images.unbind(dim=1)
    low = torch.minimum(torch.minimum(red, green), blue)
    chroma = torch.maximum(torch.maximum(red, green), blue).sub_(low)
    from_cyan = (red - green).sub_(blue).add_(low).div_(chroma.clamp_min(torch.finfo(torch.float32).tiny)).add_(2)
    from_cyan.copysign_(blue - green).add_(turn[:, None, None])
    from_cyan.sub_((from_cyan / 6).round_().mul_(6))  # into [-3, 3]
    shares = (from_cyan.abs().sub_(1), (from_cyan + 1).abs_().neg_().add_(2), (from_cyan - 1).abs_().neg_().add_(2))
    for channel, share in enumerate(shares):
        torch.add(share.clamp_(0, 1).mul_(chroma), low, out=images[:, channel])


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
        rank = parameters["order"].argsort(axis=1)
        # Samples are sorted by the number of blends before their hue, so that slices of the batch turn theirs.
        blends_before_hue = (rank[:, blends] < rank[:, 3:]).sum(axis=1)
        by_hue = blends_before_hue.argsort(kind="stable")
        bounds = np.searchsorted(blends_before_hue[by_hue], np.arange(len(blends) + 2)).tolist()
        coefficients = send(self._coefficients(parameters, blends, rank)[..., by_hue], images.device)
        turn = send((6 * parameters["hue"][by_hue]).astype(np.float32), images.device)
        images = as_float(images.index_select(0, send(by_hue, images.device)))
        for step in range(len(blends) + 1):
            part = slice(bounds[step], bounds[step + 1])
            if 3 in used and part.start < part.stop:
                turn_hue(images[part], turn[part])
            if step < len(blends):
                self._blend(images, coefficients[step])
        return images.index_select(0, send(by_hue.argsort(), images.device))

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
        chosen = send(parameters["grey"].astype(np.float32), images.device)[:, None, None]
        grey = greyscale(images).mul_(chosen)
        return images.mul_(1 - chosen[:, None]).add_(grey[:, None])


class Normalization(Operation[transforms.Normalize]):
    """Subtract the mean and divide by the standard deviation of each channel."""

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        images = as_float(images)
        constants = np.array([self.config.mean, self.config.std], dtype=np.float32)
        mean, std = send(constants, images.device)[..., None, None]  # [3, 1, 1] each
        return images.sub_(mean).div_(std)
