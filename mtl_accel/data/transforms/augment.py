"""Stateless augmentation of whole batches on the device.

The parameters of sample i in epoch e are a pure function of (seed, e, i, position in the list). No random state is
kept, so nothing depends on the batch, the process or a restart.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from ...config.sections.picture_sizes import Extent
from ...config.sections.transform_problems import padding_problem
from ...config.sections.transforms import CenterCrop, Pad, PadToSquare, Transform
from ...core import rng
from ...core.errors import UserError
from ...core.plugins.registrations import find
from .automatic.augmentations import AutoAugmentation, RandAugmentation, TrivialAugmentation
from .base import Operation, as_float
from .color import ColorJitter, Grayscale, Normalization
from .geometry import CenteredCrop, Erasing, Flip, HorizontalFlip, Padding, ResizedCrop, Rotation, VerticalFlip

AUGMENTATIONS: dict[str, type[Operation]] = {
    "CenterCrop": CenteredCrop,
    "Pad": Padding,
    "PadToSquare": Padding,
    "RandomHorizontalFlip": HorizontalFlip,
    "RandomVerticalFlip": VerticalFlip,
    "RandomRotation": Rotation,
    "RandomResizedCrop": ResizedCrop,
    "ColorJitter": ColorJitter,
    "RandomGrayscale": Grayscale,
    "RandAugment": RandAugmentation,
    "TrivialAugmentWide": TrivialAugmentation,
    "AutoAugment": AutoAugmentation,
    "RandomErasing": Erasing,
    "Normalize": Normalization,
}
# A flip commutes with these: they treat all pixels alike, or use a mean of the whole image.
_POINTWISE = (ColorJitter, Grayscale, Normalization)
# On the CPU a batch is processed in parts of about this many bytes of float32, which stay in the CPU's cache.
_PART_BYTES = 2**21


def operation_of(config: Transform, position: int, size: tuple[int, int]) -> Operation:
    """Make the operation of a transform at a position of `transforms.train`, for images of size [height, width].

    Raises:
        UserError: a crop is larger than the images, whose size after torchvision's own transforms no config tells, or
            they are too small to be mirrored into the padding.
    """
    if isinstance(config, CenterCrop) and (config.size[0] > size[0] or config.size[1] > size[1]):
        raise UserError(
            f"transforms.train.{position}.size: a crop of {list(config.size)} is larger than the picture of "
            f"{list(size)} before it; make it smaller"
        )
    if isinstance(config, Pad | PadToSquare) and (problem := padding_problem(config, Extent.of(size))):
        raise UserError(f"transforms.train.{position}: {problem}")
    operation = AUGMENTATIONS[config.name](config, size)
    if find("transform", config.name) is not None and operation.output_size != size:
        raise UserError(
            f"transforms.train.{position}: {config.name} of a plugin makes pictures of {list(operation.output_size)} "
            f"from {list(size)}; its pictures must keep their size"
        )
    return operation


class Augmentation:
    """Transforms batches of images, in as few passes as the transforms allow.

    Args:
        transforms: by position in the config's list, which is a part of the key of their random numbers.
        size: [height, width] of the images that arrive.

    Raises:
        UserError: a crop is larger than the images.
    """

    def __init__(self, transforms: Mapping[int, Transform], size: tuple[int, int], seed: int) -> None:
        self.input_size, self.seed = size, seed
        self.operations: dict[int, Operation] = {}
        for position, config in transforms.items():
            self.operations[position] = operation_of(config, position, size)
            size = self.operations[position].output_size
        self.output_size = size
        self._merged_flips = _merge_flips(self.operations)

    @property
    def is_random(self) -> bool:
        """Whether anything is drawn."""
        return any(operation.num_uniforms for operation in self.operations.values())

    def draw(self, ids: np.ndarray, epoch: int) -> dict[str, np.ndarray]:
        """Draw the parameters of samples ids [B] (int64), such as "3.angle" [B] of the transform at position 3."""
        drawn: dict[str, np.ndarray] = {}
        for position, operation in self.operations.items():
            if operation.num_uniforms:
                uniforms = rng.uniforms(operation.num_uniforms, self.seed, rng.AUGMENT, epoch, ids, position)
                drawn |= {f"{position}.{name}": array for name, array in operation.parameters(uniforms).items()}
        return drawn

    def __call__(
        self, images: torch.Tensor, ids: np.ndarray | None = None, epoch: int = 0, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """Transform uint8 (or float32 in [0, 1]) images [B, 3, H, W] to [B, 3, h, w] of `dtype`, channels_last.

        The result for a sample does not depend on the rest of the batch, to the last bit. Without random transforms no
        ids are needed. The given images are not changed: a step may read them twice.
        """
        assert images.shape[1:] == (3, *self.input_size), f"{tuple(images.shape)} for images of {self.input_size}"
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
            images = images.clone()  # operations may overwrite it
        for position, operation in self.operations.items():
            if position in self._merged_flips:
                continue
            parameters = _parameters_of(position, drawn)
            for flip, (axis, rotation) in self._merged_flips.items():
                if rotation == position:
                    parameters[axis] = drawn[f"{flip}.flip"]
            images = operation.apply(images, parameters)
        return as_float(images)


def _parameters_of(position: int, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    prefix = f"{position}."
    return {name.removeprefix(prefix): array for name, array in drawn.items() if name.startswith(prefix)}


def _merge_flips(operations: dict[int, Operation]) -> dict[int, tuple[str, int]]:
    """The flips that a later rotation does in its own pass, with the same bits: {flip: (axis, rotation)}."""
    merged: dict[int, tuple[str, int]] = {}
    pending: dict[str, int] = {}
    for position, operation in operations.items():
        if isinstance(operation, Flip) and operation.axis not in pending:
            pending[operation.axis] = position
        elif isinstance(operation, Rotation) and operation.can_flip:
            merged |= {flip: (axis, position) for axis, flip in pending.items()}
            pending = {}
        elif not isinstance(operation, _POINTWISE):
            pending = {}
    return merged
