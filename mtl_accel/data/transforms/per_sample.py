"""Transforms of one image at a time on the CPU, in the workers of the loader: torchvision's own, and those of ours on
images of several sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...config.sections.picture_sizes import PictureSize
from ...config.sections.transform_problems import several_sizes_problem
from ...config.sections.transforms import SeveralCrops, Transform
from ...core import rng
from ...core.errors import UserError
from .augment import operation_of
from .base import Operation
from .crops import ExtraViews, crops_of, num_crops
from .single_image import SingleImageTransform, build_singles, dry_run, example_image, one_thread_and_same_generator


class OperationBySize:
    """One of our own transforms, for one image of any size."""

    def __init__(self, config: Transform, position: int) -> None:
        self.name, self.config, self.position = config.name, config, position
        self._by_size: dict[PictureSize, Operation] = {}

    def of_size(self, size: PictureSize) -> Operation:
        """The operation for images of a size. Raises UserError where these are too small."""
        if size not in self._by_size:
            self._by_size[size] = operation_of(self.config, self.position, size)
        return self._by_size[size]

    def uniforms(self, key: tuple[Any, ...]) -> list[np.ndarray]:
        """The uniform numbers of each image, [1, num_uniforms] each; so many whatever the size."""
        of_any_size = next(iter(self._by_size.values()))
        return list(rng.uniforms(of_any_size.num_uniforms, *key)[:, None])

    def __call__(self, image: Tensor, uniforms: np.ndarray) -> Tensor:
        """Transform an image [3, H, W] to [3, h, w] by its uniform numbers."""
        operation = self.of_size((image.shape[1], image.shape[2]))
        return operation.apply(image[None], operation.parameters(uniforms))[0]


class PerSample:
    """Transforms single images: torchvision's own transforms, and those of ours between them or before a crop.

    Args:
        transforms: by position in the config's list, which is a part of the key of their random numbers. Several views
            are the last one.
        sizes: [height, width] of the images that arrive: the one of all of them, or several examples.

    Raises:
        UserError: torchvision refuses arguments, or the images of a batch would have several sizes.

    Attributes:
        output_size: [height, width] of the images that leave, of each crop if there are several of each image.
        num_crops: how many crops each image becomes; 1 where it stays one.
    """

    def __init__(
        self, transforms: Mapping[int, Transform | ExtraViews], sizes: Sequence[PictureSize], seed: int
    ) -> None:
        self.seed = seed
        self.stages: dict[int, Stage] = {}  # by position
        singles = build_singles(transforms)
        sizes, dtype, varied_by = list(sizes), torch.uint8, None
        for position, config in transforms.items():
            single = singles.get(position)
            if single is not None:
                self.stages[position] = single
                makes_them_vary, (sizes, dtype) = len(sizes) == 1, dry_run(single, sizes, dtype)
                if len(sizes) == 1:
                    varied_by = None
                elif makes_them_vary:
                    varied_by = single
                single.output_size = sizes[0] if len(sizes) == 1 else None
            elif isinstance(config, SeveralCrops | ExtraViews):
                self.stages[position], sizes = config, [config.size]
            elif len(sizes) == 1:
                operation = operation_of(config, position, sizes[0])
                sizes, dtype = [operation.output_size], _dtype_after(operation, dtype)
                self.stages[position] = operation
            else:
                by_size = OperationBySize(config, position)
                operations = [by_size.of_size(size) for size in sizes]
                sizes, dtype = _distinct(o.output_size for o in operations), _dtype_after(operations[0], dtype)
                self.stages[position] = by_size
        if len(sizes) > 1:
            problem = UserError(several_sizes_problem("transforms.train"))
            raise problem if varied_by is None else varied_by.size_error(sizes)
        self.output_size = sizes[0]
        self.num_crops = next(
            (num_crops(config) for config in transforms.values() if isinstance(config, SeveralCrops | ExtraViews)), 1
        )

    @property
    def names(self) -> list[str]:
        """The names of the transforms that take one image after another."""
        return [stage.name for stage in self.stages.values() if not isinstance(stage, Operation)]

    @property
    def reason(self) -> str:
        """Why they do, in words."""
        by_torchvision = any(isinstance(stage, SingleImageTransform) for stage in self.stages.values())
        by_size = any(isinstance(stage, OperationBySize | SeveralCrops | ExtraViews) for stage in self.stages.values())
        return " and ".join(["torchvision's own"] * by_torchvision + ["on pictures of several sizes"] * by_size)

    def __call__(self, images: Tensor | Sequence[Tensor], ids: np.ndarray, epoch: int) -> Tensor:
        """Transform uint8 images [B, 3, H, W], or B images [3, H, W] of several sizes, of samples ids [B] (int64).

        The result for a sample depends on neither the rest of the batch nor the process, to the last bit.

        Returns: uint8 or float32 in [0, 1], [B, 3, h, w]; with several crops of each image [B, crops, 3, h, w].
        """
        changed: Sequence[Tensor] | Tensor = images
        with one_thread_and_same_generator():
            for position, stage in self.stages.items():
                changed = self._apply(stage, changed, (self.seed, rng.AUGMENT, epoch, ids, position))
            return _stack(changed)

    @staticmethod
    def _apply(stage: Stage, images: Sequence[Tensor] | Tensor, key: tuple[Any, ...]) -> Sequence[Tensor] | Tensor:
        if isinstance(stage, SingleImageTransform):
            seeds = (rng.random_bits(*key) >> np.uint64(1)).tolist()
            return [stage(image, seed) for image, seed in zip(images, seeds, strict=True)]
        if isinstance(stage, SeveralCrops | ExtraViews):
            return [torch.stack(crops_of(image, stage)) for image in images]
        if isinstance(stage, OperationBySize):
            return [stage(image, uniforms) for image, uniforms in zip(images, stage.uniforms(key), strict=True)]
        uniforms = rng.uniforms(stage.num_uniforms, *key)
        return stage.apply(_stack(images), stage.parameters(uniforms))


Stage = SingleImageTransform | OperationBySize | Operation | SeveralCrops | ExtraViews


def _dtype_after(operation: Operation, dtype: torch.dtype) -> torch.dtype:
    parameters = operation.parameters(np.zeros((1, operation.num_uniforms)))
    return operation.apply(example_image(operation.size, dtype)[None], parameters).dtype


def _distinct(sizes: Iterable[PictureSize]) -> list[PictureSize]:
    return list(dict.fromkeys(sizes))


def _stack(images: Sequence[Tensor] | Tensor) -> Tensor:
    return images if isinstance(images, Tensor) else torch.stack(list(images))
