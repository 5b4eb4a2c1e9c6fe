"""Torchvision's own transforms, for one image at a time.

They draw from torch's global generator, which is seeded before each of them. So what happens to sample i in epoch e is
a pure function of (seed, e, i, position), as it is in `Augmentation`.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

from ...config.reading import format_value
from ...config.sections.automatic_augmentation import AutomaticAugmentation
from ...config.sections.picture_sizes import PictureSize
from ...config.sections.torchvision_names import TorchvisionTransform
from ...config.sections.transforms import is_torchvisions
from ...core.errors import UserError, collect

# What torchvision raises for arguments and images that it does not accept.
_TORCHVISION_ERRORS = (
    TypeError,
    ValueError,
    RuntimeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
)
_ENUMS = {"interpolation": v2.InterpolationMode, "policy": v2.AutoAugmentPolicy}
_NUM_DRY_RUNS = 8


class SingleImageTransform:
    """One of torchvision's transforms, for one image. It draws from torch's generator only."""

    output_size: PictureSize | None = None  # set where all images must leave with the same one

    def __init__(self, config: TorchvisionTransform | AutomaticAugmentation, position: int) -> None:
        """Raises UserError when torchvision refuses the arguments."""
        self.name, self.arguments, self.place = config.name, config.arguments, f"transforms.train.{position}"
        if not hasattr(v2, self.name):
            raise UserError(f"{self.place}: the torchvision that is installed has no {self.name}; install a newer one")
        self.transform = self._build(self.arguments)
        # With p 1, for dry runs: they must meet what happens to a few images only.
        is_rare = self.arguments.get("p") != 0 and "p" in inspect.signature(getattr(v2, self.name)).parameters
        self.always = self._build(self.arguments | {"p": 1.0}) if is_rare else self.transform

    def _build(self, arguments: Mapping[str, Any]) -> v2.Transform:
        kind = getattr(v2, self.name)
        try:
            return kind(**{k: _ENUMS[k](v) if k in _ENUMS and isinstance(v, str) else v for k, v in arguments.items()})
        except _TORCHVISION_ERRORS as error:
            known = ", ".join(inspect.signature(kind).parameters) or "none"
            raise self._error(f"is refused by torchvision: {_first_line(error)} (its arguments: {known})") from error

    def __call__(self, image: Tensor, seed: int, always: bool = False) -> Tensor:
        """Transform an image [3, H, W] to [3, h, w], uint8 or float32 in [0, 1].

        Raises:
            UserError: torchvision fails on it, or the result has another number of channels or another size.
        """
        torch.default_generator.manual_seed(seed)  # not torch.manual_seed, which seeds the GPUs too
        try:
            changed = (self.always if always else self.transform)(image)
        except _TORCHVISION_ERRORS as error:
            raise self._error(f"fails on {_describe(image)}: {_first_line(error)}") from error
        if changed.shape[0] != 3:
            made = json.dumps(changed.shape)
            raise self._error(f'makes pictures of {made}, and networks take 3 channels; set "num_output_channels": 3')
        size = changed.shape[1], changed.shape[2]
        if self.output_size not in (None, size):
            raise self.size_error([self.output_size, size])
        # Noise and bicubic sampling leave the range that later operations rely on.
        return changed.clamp(0, 1) if changed.is_floating_point() else changed

    def _error(self, what: str) -> UserError:
        return UserError(f"{self.place}: {self.name} with {format_value(self.arguments)} {what}")

    def size_error(self, sizes: Sequence[PictureSize | None]) -> UserError:
        """The error of images that leave with several sizes, where a batch must have one."""
        return self._error(
            f"makes pictures of several sizes, such as {json.dumps(sizes[0])} and {json.dumps(sizes[1])}, and a batch "
            'has one; put a RandomCrop with "size" and "pad_if_needed": true behind it, or keep the size'
        )


def build_singles(transforms: Mapping[int, Any]) -> dict[int, SingleImageTransform]:
    """Build torchvision's transforms, by position. Raises UserError for all wrong arguments at once."""
    singles: dict[int, SingleImageTransform] = {}
    problems: list[str] = []
    for position, config in transforms.items():
        if is_torchvisions(config):
            with collect(problems):
                singles[position] = SingleImageTransform(config, position)
    if problems:
        raise UserError(problems)
    return singles


def dry_run(
    single: SingleImageTransform, sizes: Sequence[PictureSize], dtype: torch.dtype
) -> tuple[list[PictureSize], torch.dtype]:
    """The sizes and the dtype that images of some sizes leave with."""
    variants = (False,) if single.always is single.transform else (False, True)
    tries = itertools.product(itertools.islice(itertools.cycle(sizes), _NUM_DRY_RUNS), variants)
    with one_thread_and_same_generator():
        made = [single(example_image(size, dtype), seed, always) for seed, (size, always) in enumerate(tries)]
    return list(dict.fromkeys((image.shape[1], image.shape[2]) for image in made)), made[0].dtype


def _first_line(error: Exception) -> str:
    """The message of an error without the stack that torch writes below."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _describe(image: Tensor) -> str:
    size = json.dumps(image.shape[1:])
    if image.dtype == torch.uint8:
        return f"a picture of {size} in uint8"
    return f"a picture of {size} in float32, which a transform before it made; in front of that one it gets uint8"


def example_image(size: PictureSize, dtype: torch.dtype) -> Tensor:
    values = torch.arange(3 * size[0] * size[1]).remainder_(256).view(3, *size)
    return values.to(torch.uint8) if dtype == torch.uint8 else values / 255


@contextmanager
def one_thread_and_same_generator() -> Iterator[None]:
    """Compute in one thread, as a worker does, since more of them sum in another order; then restore the generator."""
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(state)
