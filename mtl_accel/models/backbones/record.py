"""One backbone that may be paired with any head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn
from torchvision.models import WeightsEnum

MIN_SIZE = 32  # pixels; most backbones reduce them to 1


@dataclass(frozen=True)
class Backbone:
    """A network without its classifier.

    Attributes:
        build: takes the weights, as in `model.weights`, and whether a head reads a feature map. It returns a module
            from normalized float images [B, 3, H, W] to one tensor: pooled features [B, F], or a feature map
            [B, F, h, w].
        meaning: what it is, for the reference.
        published: returns torchvision's weights of it, whose names `model.weights` may have; None: there are none.
        only_size: [height, width] of the only images that it takes; None: any of at least `min_size`.
        gives_map: whether it gives a feature map, if asked for one.
        takes_drop_path_rate: whether `build` takes the rate of stochastic depth as its third argument; it is otherwise
            set on torchvision's layers of that kind afterwards.
    """

    build: Callable[..., nn.Module]
    meaning: str
    published: Callable[[], type[WeightsEnum]] | None = None
    only_size: tuple[int, int] | None = None
    min_size: int = MIN_SIZE
    gives_map: bool = True
    takes_drop_path_rate: bool = False
