"""Torchvision's own transforms, one picture after another on the CPU, in the loader's workers.

They know no batches and no keys. What happens to sample i in epoch e is a pure function of (seed, e, i, position), as
it is in `Augmentation`.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import v2

from ...config.reading import shown
from ...config.torchvision_names import TorchvisionTransform
from ...config.transforms import Transform
from ...core import rng
from ...core.errors import UserError
from .augment import operation_of
from .base import Operation

Size = tuple[int, int]  # [height, width]
# What torchvision raises for arguments and pictures that it does not take.
_REFUSALS = (TypeError, ValueError, RuntimeError, LookupError, AttributeError, ArithmeticError, AssertionError)
_ENUMS = {"interpolation": v2.InterpolationMode, "policy": v2.AutoAugmentPolicy}
_NUM_DRY_RUNS = 8


class Single:
    """One of torchvision's transforms, for one picture. It draws from torch's generator, and from no other."""

    output_size: Size | None = None  # where all pictures are to leave with one

    def __init__(self, config: TorchvisionTransform, position: int) -> None:
        """Raises UserError when torchvision refuses the arguments."""
        self.name, self.arguments, self.place = config.name, config.arguments, f"transforms.train.{position}"
        if not hasattr(v2, self.name):
            raise UserError(f"{self.place}: the torchvision that is installed has no {self.name}; install a newer one")
        self.transform = self._build(self.arguments)
        # With p 1, for dry runs: what is done to few pictures must be seen there too.
        is_rare = self.arguments.get("p") != 0 and "p" in inspect.signature(getattr(v2, self.name)).parameters
        self.certain = self._build(self.arguments | {"p": 1.0}) if is_rare else self.transform

    def _build(self, arguments: Mapping[str, Any]) -> v2.Transform:
        kind = getattr(v2, self.name)
        try:
            return kind(**{k: _ENUMS[k](v) if k in _ENUMS and isinstance(v, str) else v for k, v in arguments.items()})
        except _REFUSALS as error:
            known = ", ".join(inspect.signature(kind).parameters) or "none"
            raise self.problem(f"is refused by torchvision: {_words(error)} (its arguments: {known})") from error

    def __call__(self, picture: Tensor, seed: int, certain: bool = False) -> Tensor:
        """[3, h, w] from [3, H, W], uint8 or float32 in [0, 1]. Raises UserError when torchvision cannot do it."""
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which turns to the GPUs too
        try:
            changed = (self.certain if certain else self.transform)(picture)
        except _REFUSALS as error:
            raise self.problem(f"fails on {_described(picture)}: {_words(error)}") from error
        if changed.shape[0] != 3:
            made = json.dumps(changed.shape)
            raise self.problem(f'makes pictures of {made}, and networks take 3 channels; set "num_output_channels": 3')
        left = changed.shape[1], changed.shape[2]
        if self.output_size not in (None, left):
            raise self.size_problem([self.output_size, left])
        # Noise and bicubic sampling leave the range that the operations behind it rely on.
        return changed.clamp(0, 1) if changed.is_floating_point() else changed

    def problem(self, what: str) -> UserError:
        return UserError(f"{self.place}: {self.name} with {shown(self.arguments)} {what}")

    def size_problem(self, sizes: Sequence[Size | None]) -> UserError:
        return self.problem(
            f"makes pictures of several sizes, such as {json.dumps(sizes[0])} and {json.dumps(sizes[1])}, and a batch "
            'has one; put a RandomCrop with "size" and "pad_if_needed": true behind it, or keep the size'
        )


class PerSample:
    """Transforms of single pictures: torchvision's own, and those of ours that stand before them.

    Args:
        transforms: by position in the config's list, which is a part of the key of their random numbers.
        size: [height, width] of the pictures that arrive.

    Raises:
        UserError: torchvision refuses arguments, or the pictures of a batch would have several sizes.
    """

    def __init__(self, transforms: Mapping[int, Transform], size: Size, seed: int) -> None:
        self.seed = seed
        self.stages: dict[int, Single | Operation] = {}  # by position
        singles = _singles(transforms)
        sizes, dtype, varied_by = [size], torch.uint8, None
        for position, config in transforms.items():
            single = singles.get(position)
            if varied_by is not None and single is None:
                raise varied_by.size_problem(sizes)
            if single is None:
                operation = operation_of(config, position, sizes[0])
                sizes, dtype = [operation.output_size], _dtype_after(operation, dtype)
                self.stages[position] = operation
                continue
            sizes, dtype = _dry_run(single, sizes, dtype)
            varied_by = None if len(sizes) == 1 else varied_by or single
            single.output_size = sizes[0] if len(sizes) == 1 else None
            self.stages[position] = single
        if varied_by is not None:
            raise varied_by.size_problem(sizes)
        self.output_size = sizes[0]

    @property
    def names(self) -> list[str]:
        """Torchvision's among the transforms."""
        return [stage.name for stage in self.stages.values() if isinstance(stage, Single)]

    def __call__(self, images: Tensor, ids: np.ndarray, epoch: int) -> Tensor:
        """[B, 3, h, w], uint8 or float32 in [0, 1], from uint8 images [B, 3, H, W] of samples ids [B] (int64).

        The result of a sample is the same to the last bit whatever stands beside it and whichever process asks.
        """
        pictures: Sequence[Tensor] | Tensor = images
        with _undisturbed():
            for position, stage in self.stages.items():
                key = self.seed, rng.AUGMENT, epoch, ids, position
                if isinstance(stage, Single):
                    seeds = (rng.random_bits(*key) >> np.uint64(1)).tolist()
                    pictures = [stage(picture, seed) for picture, seed in zip(pictures, seeds, strict=True)]
                else:
                    uniforms = rng.uniforms(stage.num_uniforms, *key)
                    pictures = stage.apply(_stacked(pictures), stage.parameters(uniforms))
            return _stacked(pictures)


def _singles(transforms: Mapping[int, Transform]) -> dict[int, Single]:
    """Torchvision's transforms by position; all that is wrong with their arguments is told at once."""
    singles: dict[int, Single] = {}
    problems: list[str] = []
    for position, config in transforms.items():
        if isinstance(config, TorchvisionTransform):
            try:
                singles[position] = Single(config, position)
            except UserError as error:
                problems += error.problems
    if problems:
        raise UserError(problems)
    return singles


def _dry_run(single: Single, sizes: Sequence[Size], dtype: torch.dtype) -> tuple[list[Size], torch.dtype]:
    """The sizes and the type that pictures of some sizes leave with."""
    certain_too = (False,) if single.certain is single.transform else (False, True)
    tries = itertools.product(itertools.islice(itertools.cycle(sizes), _NUM_DRY_RUNS), certain_too)
    with _undisturbed():
        made = [single(_picture(size, dtype), seed, certain) for seed, (size, certain) in enumerate(tries)]
    return list(dict.fromkeys((picture.shape[1], picture.shape[2]) for picture in made)), made[0].dtype


def _dtype_after(operation: Operation, dtype: torch.dtype) -> torch.dtype:
    parameters = operation.parameters(np.zeros((1, operation.num_uniforms)))
    return operation.apply(_picture(operation.size, dtype)[None], parameters).dtype


def _words(error: Exception) -> str:
    """What torchvision said, without the stack that torch writes below."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _described(picture: Tensor) -> str:
    size = json.dumps(picture.shape[1:])
    if picture.dtype == torch.uint8:
        return f"a picture of {size} in uint8"
    return f"a picture of {size} in float32, which a transform before it made; in front of that one it gets uint8"


def _picture(size: Size, dtype: torch.dtype) -> Tensor:
    values = torch.arange(3 * size[0] * size[1]).remainder_(256).view(3, *size)
    return values.to(torch.uint8) if dtype == torch.uint8 else values / 255


def _stacked(pictures: Sequence[Tensor] | Tensor) -> Tensor:
    return pictures if isinstance(pictures, Tensor) else torch.stack(list(pictures))


@contextmanager
def _undisturbed() -> Iterator[None]:
    """One thread, since several sum in another order than a worker's one; the process's generator is put back."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
