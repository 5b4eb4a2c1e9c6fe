"""Brightness by a random exponent."""

from typing import Literal

import numpy as np
import torch
from pydantic import Field

import mtl_accel


class RandomGammaConfig(mtl_accel.Section):
    """Raise pixels in [0, 1] to a random power."""

    name: Literal["RandomGamma"]
    strength: float = Field(0.3, ge=0, lt=1, description="The power lies within 1 - strength and 1 + strength.")


@mtl_accel.register_transform("RandomGamma", config=RandomGammaConfig)
class RandomGamma(mtl_accel.Operation[RandomGammaConfig]):
    """One power for each sample."""

    num_uniforms = 1

    def parameters(self, uniforms: np.ndarray) -> dict[str, np.ndarray]:
        """The power of each sample from its uniform number, [B]."""
        strength = self.config.strength
        return {"power": (1 - strength + 2 * strength * uniforms[:, 0]).astype(np.float32)}

    def apply(self, images: torch.Tensor, parameters: dict[str, np.ndarray]) -> torch.Tensor:
        """[B, 3, H, W], uint8 or float32 in [0, 1], to float32 in [0, 1]."""
        pixels = images / 255 if images.dtype == torch.uint8 else images
        powers = torch.from_numpy(parameters["power"]).to(images.device)
        return pixels ** powers[:, None, None, None]
