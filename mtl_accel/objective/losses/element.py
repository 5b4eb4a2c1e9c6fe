"""What a loss of single elements is, and the numbers that some of them carry for each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# (logits [B, C], target) -> [B] or [B, C], like the target. Training calls it on the device, scoring in float64.
ElementLoss = Callable[[Tensor, Tensor], Tensor]


class Weights:
    """One number for each class or label, as a tensor on the logits' device and of their dtype.

    It is kept for each of them: a copy to the device in every step would make the host wait.
    """

    def __init__(self, numbers: Sequence[float] | str | None) -> None:
        assert not isinstance(numbers, str), f"{numbers!r} must be resolved first"
        self.numbers = None if numbers is None else tuple(numbers)
        self._kept: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def beside(self, logits: Tensor) -> Tensor | None:
        """[C], or None where all weigh alike."""
        if self.numbers is None:
            return None
        place = logits.device, logits.dtype
        if place not in self._kept:
            self._kept[place] = torch.tensor(self.numbers, device=logits.device, dtype=logits.dtype)
        return self._kept[place]
