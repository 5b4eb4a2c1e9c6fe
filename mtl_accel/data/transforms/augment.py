"""Stateless augmentation of whole batches on the device.

The parameters of sample i in epoch e are a pure function of (seed, e, i, operation): nothing is drawn in order, so
nothing depends on the batch, the process or a restart.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ...config.transforms import CenterCrop, Transform
from ...core import rng
from ...core.errors import UserError
from .base import Operation, as_float
from .color import ColourJitter, Greyscale, Normalization
from .geometry import Erasing, Flip, HorizontalFlip, MiddleCrop, ResizedCrop, Rotation, VerticalFlip

AUGMENTATIONS: dict[str, type[Operation]] = {
    "CenterCrop": MiddleCrop,
    "RandomHorizontalFlip": HorizontalFlip,
    "RandomVerticalFlip": VerticalFlip,
    "RandomRotation": Rotation,
    "RandomResizedCrop": ResizedCrop,
    "ColorJitter": ColourJitter,
    "RandomGrayscale": Greyscale,
    "RandomErasing": Erasing,
    "Normalize": Normalization,
}
# A flip may be done after these: they do the same to every pixel, or see the picture as a whole.
_POINTWISE = (ColourJitter, Greyscale, Normalization)
# On the CPU a batch is done in parts of about this many bytes of float32, which stay in the cache.
_PART_BYTES = 2**21


def operation_of(config: Transform, position: int, size: tuple[int, int]) -> Operation:
    """Make the operation of a transform at a position of `transforms.train`, for pictures of size [height, width].

    Raises:
        UserError: a crop is larger than the pictures, whose size after torchvision's own transforms no config tells.
    """
    if isinstance(config, CenterCrop) and (config.size[0] > size[0] or config.size[1] > size[1]):
        raise UserError(
            f"transforms.train.{position}.size: a crop of {list(config.size)} is larger than the picture of "
            f"{list(size)} before it; make it smaller"
        )
    return AUGMENTATIONS[config.name](config, size)


class Augmentation:
    """Transforms of batches of pictures, in as few passes as they allow.

    Args:
        transforms: by position in the config's list, which is a part of the key of their random numbers.
        size: [height, width] of the pictures that arrive.

    Raises:
        UserError: a crop is larger than the pictures.
    """

    def __init__(self, transforms: Mapping[int, Transform], size: tuple[int, int], seed: int) -> None:
        self.input_size, self.seed = size, seed
        self.operations: dict[int, Operation] = {}
        for position, config in transforms.items():
            self.operations[position] = operation_of(config, position, size)
            size = self.operations[position].output_size
        self.output_size = size
        self._taken_along = _flips_taken_along(self.operations)

    @property
    def is_random(self) -> bool:
        return any(operation.num_uniforms for operation in self.operations.values())

    def draw(self, ids: np.ndarray, epoch: int) -> dict[str, np.ndarray]:
        """Every parameter of samples ids [B] (int64), such as "3.angle" [B] of the transform at position 3."""
        drawn: dict[str, np.ndarray] = {}
        for position, operation in self.operations.items():
            if operation.num_uniforms:
                uniforms = rng.uniforms(operation.num_uniforms, self.seed, rng.AUGMENT, epoch, ids, position)
                drawn |= {f"{position}.{name}": array for name, array in operation.parameters(uniforms).items()}
        return drawn

    def __call__(
        self, images: torch.Tensor, ids: np.ndarray | None = None, epoch: int = 0, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """[B, 3, h, w] of `dtype`, channels_last, from uint8 (or float32 in [0, 1]) images [B, 3, H, W].

        The result of a sample is the same to the last bit whatever stands beside it in the batch. A list without
        random transforms needs no ids. The images given stay as they are: a step may come back to them.
        """
        assert images.shape[1:] == (3, *self.input_size), f"{tuple(images.shape)} for pictures of {self.input_size}"
        assert ids is not None or not self.is_random, "random transforms need the samples' ids"
        drawn = {} if ids is None else self.draw(ids, epoch)
        if images.device.type != "cpu":
            return self._apply(images, drawn).to(dtype=dtype, memory_format=torch.channels_last)
        samples = max(1, _PART_BYTES // (4 * images[0].numel()))
        augmented = torch.empty((len(images), 3, *self.output_size), dtype=dtype, memory_format=torch.channels_last)
        for start in range(0, len(images), samples):
            part = slice(start, start + samples)
            augmented[part] = self._apply(images[part], {name: array[part] for name, array in drawn.items()})
        return augmented

    def _apply(self, images: torch.Tensor, drawn: dict[str, np.ndarray]) -> torch.Tensor:
        if images.is_floating_point():
            images = images.clone()  # which operations may overwrite
        for position, operation in self.operations.items():
            if position in self._taken_along:
                continue
            own = _of(position, drawn)
            for flip, (axis, taker) in self._taken_along.items():
                if taker == position:
                    own[axis] = drawn[f"{flip}.flip"]
            images = operation.apply(images, own)
        return as_float(images)


def _of(position: int, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    head = f"{position}."
    return {name.removeprefix(head): array for name, array in drawn.items() if name.startswith(head)}


def _flips_taken_along(operations: dict[int, Operation]) -> dict[int, tuple[str, int]]:
    """The flips that a rotation after them does in its own pass, to the same bits: {flip: (axis, rotation)}."""
    taken: dict[int, tuple[str, int]] = {}
    waiting: dict[str, int] = {}
    for position, operation in operations.items():
        if isinstance(operation, Flip) and operation.axis not in waiting:
            waiting[operation.axis] = position
        elif isinstance(operation, Rotation) and operation.takes_flips:
            taken |= {flip: (axis, position) for axis, flip in waiting.items()}
            waiting = {}
        elif not isinstance(operation, _POINTWISE):
            waiting = {}
    return taken
