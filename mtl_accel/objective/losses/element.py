"""The type of a loss of single elements, and the weights of classes that some of them have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

# (logits [B, C], target) -> [B] or [B, C], like the target. Training calls it on the device, scoring in float64.
ElementLoss = Callable[[Tensor, Tensor], Tensor]


class ClassWeights:
    """A weight for each class or label, as a tensor on the logits' device and of their dtype.

    The tensor is kept: a copy to the device in every step would make the host wait.
    """

    def __init__(self, numbers: Sequence[float] | str | None) -> None:
        assert not isinstance(numbers, str), f"{numbers!r} must be resolved before"
        self.numbers = None if numbers is None else tuple(numbers)
        self._tensors: dict[tuple[torch.device, torch.dtype], Tensor] = {}

    def like(self, logits: Tensor) -> Tensor | None:
        """Return the weights [C], or None where all are 1."""
        if self.numbers is None:
            return None
        key = logits.device, logits.dtype
        if key not in self._tensors:
            self._tensors[key] = torch.tensor(self.numbers, device=logits.device, dtype=logits.dtype)
        return self._tensors[key]
