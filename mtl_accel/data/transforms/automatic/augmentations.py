"""RandAugment, TrivialAugmentWide and AutoAugment: what is drawn for each picture, in torchvision's distribution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from ....config.sections import automatic_augmentation as sections
from ..base import Operation, Parameters, to_device
from . import pixels
from .policies import POLICIES
from .warp import OPERATIONS as WARPS
from .warp import warp

_OF_PIXELS: dict[str, Callable[[Tensor, np.ndarray], Tensor]] = {
    "Brightness": pixels.brightness,
    "Color": pixels.color,
    "Contrast": pixels.contrast,
    "Sharpness": pixels.sharpness,
    "Posterize": pixels.posterize,
    "Solarize": pixels.solarize,
    "AutoContrast": pixels.autocontrast,
    "Equalize": pixels.equalize,
    "Invert": pixels.invert,
}
# In the order in which torchvision numbers them; only AutoAugment has the last one.
OPERATIONS = ("Identity", *WARPS, *_OF_PIXELS)
_NUM_DRAWN = 14
_SIGNED = np.array([name in (*WARPS, "Brightness", "Color", "Contrast", "Sharpness") for name in OPERATIONS])
_IS_WARP = np.array([name in WARPS for name in OPERATIONS])
_NUM_POLICY_BINS = 10

ConfigT = TypeVar("ConfigT", bound=sections.AutomaticAugmentation)


class AutomaticOperation(Operation[ConfigT]):
    """Operations that are drawn for each sample, one after another.

    Parameters: "operation" int64 [B, steps], places in `OPERATIONS`, and "strength" float64 [B, steps].
    """

    def apply(self, images: Tensor, parameters: Parameters) -> Tensor:
        """The result is uint8, as torchvision's is: float pictures are rounded to its 256 levels first."""
        if images.is_floating_point():
            images = images.mul(255).round_().to(torch.uint8)
        if not self.num_uniforms:
            return images
        for operation, strength in zip(parameters["operation"].T, parameters["strength"].T, strict=True):
            images = self._step(images, operation, strength)
        return images

    def _step(self, images: Tensor, operation: np.ndarray, strength: np.ndarray) -> Tensor:
        """Apply one operation to each sample: each operation once to all of its samples."""
        groups = np.where(_IS_WARP[operation], OPERATIONS.index(WARPS[0]), operation)
        by_group, changed = np.argsort(groups, kind="stable"), []
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            chosen = images.index_select(0, to_device(rows, images.device))
            changed.append(self._changed(chosen, [OPERATIONS[number] for number in operation[rows]], strength[rows]))
        return torch.cat(changed).index_select(0, to_device(by_group.argsort(), images.device))

    def _changed(self, images: Tensor, names: Sequence[str], strength: np.ndarray) -> Tensor:
        """Apply the operations of one group: movements, or all the same one."""
        if names[0] in WARPS:
            return warp(images, names, strength, self.config.interpolation, self.config.fill)
        return _OF_PIXELS[names[0]](images, strength) if names[0] in _OF_PIXELS else images


class RandAugmentation(AutomaticOperation[sections.RandAugment]):
    """A number of operations, each at the same strength (Cubuk et al., 2020)."""

    num_uniforms = 4  # two for each operation

    def __init__(self, config: sections.RandAugment, size: tuple[int, int]) -> None:
        super().__init__(config, size)
        self.num_uniforms = 2 * config.num_ops
        self._strengths = strengths(config.num_magnitude_bins, size)[:, config.magnitude]

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        operation = _chosen(uniforms[:, ::2], _NUM_DRAWN)
        return {"operation": operation, "strength": _signed(self._strengths[operation], operation, uniforms[:, 1::2])}


class TrivialAugmentation(AutomaticOperation[sections.TrivialAugmentWide]):
    """One operation at a strength that is drawn, too (Müller and Hutter, 2021)."""

    num_uniforms = 3

    def __init__(self, config: sections.TrivialAugmentWide, size: tuple[int, int]) -> None:
        super().__init__(config, size)
        self._strengths = strengths(config.num_magnitude_bins, size, is_wide=True)

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        operation = _chosen(uniforms[:, :1], _NUM_DRAWN)
        strength = self._strengths[operation, _chosen(uniforms[:, 1:2], self.config.num_magnitude_bins)]
        return {"operation": operation, "strength": _signed(strength, operation, uniforms[:, 2:])}


class AutoAugmentation(AutomaticOperation[sections.AutoAugment]):
    """A pair of operations of a learnt list, each with its probability and strength (Cubuk et al., 2019)."""

    num_uniforms = 5

    def __init__(self, config: sections.AutoAugment, size: tuple[int, int]) -> None:
        super().__init__(config, size)
        pairs = POLICIES[config.policy]
        table = strengths(_NUM_POLICY_BINS, size)
        self._operation = np.array([[OPERATIONS.index(name) for name, _, _ in pair] for pair in pairs])
        self._probability = np.array([[probability for _, probability, _ in pair] for pair in pairs])
        self._strength = table[self._operation, [[magnitude or 0 for _, _, magnitude in pair] for pair in pairs]]

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        pair = _chosen(uniforms[:, 0], len(self._operation))
        is_done = uniforms[:, 1:3] <= self._probability[pair]
        operation = np.where(is_done, self._operation[pair], OPERATIONS.index("Identity"))
        return {"operation": operation, "strength": _signed(self._strength[pair], operation, uniforms[:, 3:])}


def strengths(num_bins: int, size: tuple[int, int], *, is_wide: bool = False) -> np.ndarray:
    """The strength of each operation in each bin, float64 [operations, bins]; 0 where it has none.

    Args:
        size: [height, width] of the pictures.
        is_wide: whether they are those of TrivialAugmentWide.
    """
    height, width = size
    shear, rotation, enhancement, bits = (0.99, 135.0, 0.99, 6) if is_wide else (0.3, 30.0, 0.9, 4)
    greatest = dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), enhancement) | {
        "ShearX": shear,
        "ShearY": shear,
        "TranslateX": 32.0 if is_wide else 150.0 / 331.0 * width,
        "TranslateY": 32.0 if is_wide else 150.0 / 331.0 * height,
        "Rotate": rotation,
    }
    # By torch in float32, as torchvision does it: a translation is cut to whole pixels.
    rows = {name: torch.linspace(0.0, end, num_bins) for name, end in greatest.items()}
    rows["Posterize"] = (8 - (torch.arange(num_bins) / ((num_bins - 1) / bits))).round()
    rows["Solarize"] = torch.linspace(1.0, 0.0, num_bins)
    none = torch.zeros(num_bins)
    table: np.ndarray = torch.stack([rows.get(name, none) for name in OPERATIONS]).to(torch.float64).numpy()
    return table


def _chosen(uniforms: np.ndarray, count: int) -> np.ndarray:
    """Integers below a count, from uniform numbers in [0, 1) of any shape."""
    return (uniforms * count).astype(np.int64)


def _signed(strength: np.ndarray, operation: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """Strengths, half of which are negative where operations have a direction."""
    return np.where(_SIGNED[operation] & (uniforms <= 0.5), -strength, strength)
