"""Poly-1 cross-entropy (Leng et al., 2022)."""

from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

import mtl_accel


class Poly1Config(mtl_accel.Section):
    """Cross-entropy plus epsilon times (1 - p) of the true class's probability p."""

    name: Literal["poly1"]
    epsilon: float = Field(1.0, ge=-1, description="Weight of the second term.")


@mtl_accel.register_loss("poly1", kind="multiclass", config=Poly1Config)
def poly1(section: Poly1Config) -> mtl_accel.ElementLoss:
    """Return the loss of each sample, [B], for logits [B, C] and classes [B]."""

    def elements(logits: Tensor, target: Tensor) -> Tensor:
        cross_entropy = F.cross_entropy(logits, target, reduction="none")
        return cross_entropy + section.epsilon * (1 - (-cross_entropy).exp())

    return elements
