"""Stateless augmentation of whole batches on the device.

The parameters of sample i in epoch e are a pure function of (seed, e, i, operation): nothing is drawn in order, so
nothing depends on the batch, the process or a restart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from .. import keyed
from ..config.transforms import Transform, cached_prefix
from .colour import ColourJitter, Greyscale, Normalization
from .geometry import Erasing, HorizontalFlip, ResizedCrop, Rotation, VerticalFlip
from .operation import Operation

AUGMENTATIONS: dict[str, type[Operation]] = {
    "RandomHorizontalFlip": HorizontalFlip,
    "RandomVerticalFlip": VerticalFlip,
    "RandomRotation": Rotation,
    "RandomResizedCrop": ResizedCrop,
    "ColorJitter": ColourJitter,
    "RandomGrayscale": Greyscale,
    "RandomErasing": Erasing,
    "Normalize": Normalization,
}
# On the CPU a batch is done in parts of about this many bytes of float32, which stay in the cache.
_PART_BYTES = 2**21


class Augmentation:
    """The transforms after the cached prefix, for batches of uint8 pictures.

    Args:
        transforms: a list of the config's, whose first ones (the cached prefix) tell the pictures' size.
    """

    def __init__(self, transforms: Sequence[Transform], seed: int) -> None:
        prefix = cached_prefix(tuple(transforms))
        assert prefix, "the config asks for Resize first"
        self.seed = seed
        self.input_size = size = prefix[-1].size
        self.operations: dict[int, Operation] = {}  # by position in the list, which is a part of the key
        for position, config in enumerate(transforms):
            if position >= len(prefix):
                self.operations[position] = AUGMENTATIONS[config.name](config, size)
                size = self.operations[position].output_size
        self.output_size = size

    @property
    def is_random(self) -> bool:
        return any(operation.num_uniforms for operation in self.operations.values())

    def draw(self, ids: np.ndarray, epoch: int) -> dict[str, np.ndarray]:
        """Every parameter of samples ids [B] (int64), such as "3.angle" [B] of the transform at position 3."""
        drawn: dict[str, np.ndarray] = {}
        for position, operation in self.operations.items():
            if operation.num_uniforms:
                uniforms = keyed.uniforms(operation.num_uniforms, self.seed, keyed.AUGMENT, epoch, ids, position)
                drawn |= {f"{position}.{name}": array for name, array in operation.parameters(uniforms).items()}
        return drawn

    def __call__(self, images: torch.Tensor, ids: np.ndarray | None = None, epoch: int = 0) -> torch.Tensor:
        """float32 [B, 3, h, w] from uint8 images [B, 3, H, W]; a list without random transforms needs no ids.

        The result of a sample is the same to the last bit whatever stands beside it in the batch.
        """
        assert images.shape[1:] == (3, *self.input_size), f"{tuple(images.shape)} for pictures of {self.input_size}"
        assert ids is not None or not self.is_random, "random transforms need the samples' ids"
        drawn = {} if ids is None else self.draw(ids, epoch)
        if images.device.type != "cpu":
            return self._apply(images, drawn)
        samples = max(1, _PART_BYTES // (4 * images[0].numel()))
        if len(images) <= samples:
            return self._apply(images, drawn)
        augmented = torch.empty((len(images), 3, *self.output_size))
        for start in range(0, len(images), samples):
            part = slice(start, start + samples)
            augmented[part] = self._apply(images[part], {name: array[part] for name, array in drawn.items()})
        return augmented

    def _apply(self, images: torch.Tensor, drawn: dict[str, np.ndarray]) -> torch.Tensor:
        for position, operation in self.operations.items():
            head = f"{position}."
            own = {name.removeprefix(head): array for name, array in drawn.items() if name.startswith(head)}
            images = operation.apply(images, own)
        return images
