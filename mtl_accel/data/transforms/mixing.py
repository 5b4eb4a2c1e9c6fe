"""Mixup and CutMix of the images of a micro-batch, in pairs, for all tasks at once.

An image is mixed with that of its partner, and the loss is s * L(x, own labels) + (1 - s) * L(x, partner's labels),
with the same share s for every task, and with the mask of missing labels of each of the two. What is drawn for sample i
in epoch e is a pure function of (seed, e, i), and its partner is one of the ids of the micro-batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import betaincinv
from torch import Tensor

from ...config.sections.sampling import CutMix, Mixup
from ...core import rng
from ...core.errors import UserError


class Mix(NamedTuple):
    """How one micro-batch is mixed.

    partners: int64 [B], the position of each sample's partner; its own position where it is not mixed.
    shares: float32 [B], the weight of its own labels in its loss: at least 0.5, and 1 where it is not mixed.
    inside, outside: float32 [B], the weight of its own pixels inside and outside its box. Their mean is its share.
    boxes: int64 [B, 4], top, left, bottom, right; the last two are exclusive.
    """

    partners: Tensor
    shares: Tensor
    inside: Tensor
    outside: Tensor
    boxes: Tensor


class _Drawn(NamedTuple):
    """Shares, weights and boxes as in `Mix`, as arrays."""

    shares: np.ndarray
    inside: np.ndarray
    outside: np.ndarray
    boxes: np.ndarray


class Mixing:
    """Draws how micro-batches are mixed.

    Args:
        methods: those of the config; each sample gets one of them, with their probabilities, or none.
        size: [height, width] of the model's input.
    """

    def __init__(self, methods: Sequence[Mixup | CutMix], seed: int, size: tuple[int, int]) -> None:
        self.methods, self.seed, self.size = tuple(methods), seed, size
        self._ends = np.cumsum([method.probability for method in methods])

    def draw(self, epoch: int, ids: np.ndarray) -> Mix:
        """Draw for ids int64 [B] of a micro-batch. Those below 0 are padding, which is not mixed and is no partner."""
        partners = _partners(ids)
        return Mix(*map(torch.from_numpy, (partners, *self._draw(epoch, ids, partners))))

    def label_weights(self, epoch: int, ids: np.ndarray) -> np.ndarray:
        """The weight of each sample's labels in micro-batches ids [M, B]: float64 [M, B].

        It is their share in the sample's own image, plus that in the image that has the sample for a partner.
        """
        partners = np.stack([_partners(row) for row in ids])
        shares = self._draw(epoch, ids, partners).shares.astype(np.float64)
        weights = shares.copy()
        np.put_along_axis(weights, partners, np.take_along_axis(weights, partners, 1) + 1 - shares, 1)
        return weights

    def _draw(self, epoch: int, ids: np.ndarray, partners: np.ndarray) -> _Drawn:
        """For samples ids [..., B] with these partners."""
        height, width = self.size
        choice, quantile, row, column = np.moveaxis(rng.uniforms(4, self.seed, rng.MIX, epoch, ids), -1, 0)
        method = np.searchsorted(self._ends, choice, side="right")
        # A sample without a partner is not mixed: its share is 1, outside an empty box.
        method[partners == np.arange(ids.shape[-1])] = len(self.methods)
        inside, outside = np.ones(ids.shape), np.ones(ids.shape)
        boxes = np.zeros((*ids.shape, 4), dtype=np.int64)
        for index, config in enumerate(self.methods):
            chosen = method == index
            # The inverse of the distribution needs one uniform number, and so one key, for each draw.
            drawn = betaincinv(config.alpha, config.alpha, quantile[chosen])
            if isinstance(config, Mixup):
                # Beta(alpha, alpha) is symmetric, so the larger part can always be the sample's own.
                inside[chosen] = outside[chosen] = np.maximum(drawn, 1 - drawn)
            else:
                box = boxes[chosen] = _boxes(1 - drawn, row[chosen], column[chosen], self.size)
                # The sample's own image fills the box if that is the larger part, else the rest.
                own = 2 * _areas(box) > height * width
                inside[chosen], outside[chosen] = own, ~own
        covered = _areas(boxes) / (height * width)
        shares = covered * inside + (1 - covered) * outside
        return _Drawn(shares.astype(np.float32), inside.astype(np.float32), outside.astype(np.float32), boxes)


def _partners(ids: np.ndarray) -> np.ndarray:
    """The position of the next sample that is not padding, and of the first one for the last: int64 [B].

    The order of a micro-batch is random already. So each sample is a partner once, none is its own, and all are in the
    same micro-batch, whose pixels are on the device.
    """
    partners = np.arange(len(ids))
    real = np.flatnonzero(ids >= 0)
    partners[real] = np.roll(real, -1)
    return partners


def _boxes(area: np.ndarray, row: np.ndarray, column: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Boxes int64 [N, 4] with shares [N] of the image's area, around uniform centers, cut off at its edges."""
    shape = np.array(size)
    half = (shape * np.sqrt(area)[:, None]).astype(np.int64) // 2
    center = (shape * np.stack([row, column], axis=1)).astype(np.int64)
    return np.concatenate([np.maximum(center - half, 0), np.minimum(center + half, shape)], axis=1)


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def mixed(images: Tensor, mix: Mix | None) -> Tensor:
    """Mix images [B, 3, H, W] of any float dtype in float32, channels_last; without a mix they stay as they are.

    This is done after Normalize. That is affine, so mixing before it would give the same.
    """
    if mix is None:
        return images
    top, left, bottom, right = mix.boxes[:, :, None, None, None].unbind(1)
    rows = torch.arange(images.shape[2], device=images.device)[:, None]
    columns = torch.arange(images.shape[3], device=images.device)
    boxed = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
    own = torch.where(boxed, mix.inside[:, None, None, None], mix.outside[:, None, None, None])
    blend = own * images + (1 - own) * images[mix.partners]
    return blend.to(dtype=images.dtype, memory_format=torch.channels_last)


def build_mixing(
    methods: Sequence[Mixup | CutMix], seed: int, size: tuple[int, int], micro_batch_size: int
) -> Mixing | None:
    """Build the mixing of the config's methods; None without any.

    Raises:
        UserError: a micro-batch has fewer than two samples.
    """
    if methods and micro_batch_size < 2:
        raise UserError(
            f"mixing: {methods[0].name} takes a sample's partner from its micro-batch, and a micro-batch holds 1 "
            "sample; set micro_batch_size to 2 or more, or mixing to []"
        )
    return Mixing(methods, seed, size) if methods else None
