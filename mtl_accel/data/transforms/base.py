"""The base class of augmentations: parameters come from uniform numbers on the host, pixels change on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Generic, TypeVar

import numpy as np
import torch

from ...config.base import Section

ConfigT = TypeVar("ConfigT", bound=Section)
Parameters = Mapping[str, np.ndarray]  # one row of each array for each sample


class Operation(ABC, Generic[ConfigT]):
    """A transform of a batch, in which each sample has its own parameters.

    Parameters stay on the host until `apply`, which may group samples by them without waiting for the device.
    What `apply` does to a sample must not depend on the other samples of the batch, to the last bit.
    """

    num_uniforms = 0  # random numbers for each sample; 0: not random

    def __init__(self, config: ConfigT, size: tuple[int, int]) -> None:
        """`size` is [height, width] of the images that arrive."""
        self.config = config
        self.size = size

    @property
    def output_size(self) -> tuple[int, int]:
        """[height, width] of the images that leave."""
        return self.size

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        """Compute the parameters of each sample from uniforms [B, num_uniforms] in [0, 1)."""
        return {}

    @abstractmethod
    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        """Transform images [B, 3, H, W], uint8 in 0..255 or float32 in [0, 1]; a float input may be overwritten."""


def as_float(images: torch.Tensor) -> torch.Tensor:
    """Convert uint8 to float32 in [0, 1]; float32 is returned as it is."""
    return images.to(torch.float32).div_(255) if images.dtype == torch.uint8 else images


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """Copy a host array to a device, to a GPU from pinned memory, so that neither side waits."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def between(uniforms: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map uniform numbers in [0, 1) to [low, high)."""
    return low + (high - low) * uniforms
