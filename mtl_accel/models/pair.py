"""What every pair has; each pair's file is otherwise whole."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torchvision.models import WeightsEnum

from .heads import Heads


class Pair(nn.Module):
    """A backbone and one head a task, which together hold all parameters.

    Made from ({task: number of outputs}, weights of the backbone); forward takes normalised float images
    [B, 3, H, W], H and W at least 32, and gives {task: logits [B, number of outputs]}.
    """

    pretrained: ClassVar[type[WeightsEnum]]  # whose names `weights` may be
    backbone: nn.Module
    heads: Heads
