"""The image pipeline: from a decoded image to the input of the model, cut into what runs where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...config.sections.torchvision_names import TorchvisionTransform
from ...config.sections.transforms import CachedTransform, Normalize, Transform
from .augment import Augmentation
from .color import Normalization
from .per_sample import PerSample


@dataclass(frozen=True)
class ImagePipeline:
    """A list of transforms in the three parts that it is carried out in.

    A transform keeps its position in the whole list as the key of its random numbers, so a cut changes none of them.

    Attributes:
        cached: the leading transforms that are the same in every epoch. They are done once for each image, and the
            pixel cache keeps the result.
        per_sample: those up to the last of torchvision's own, which the loader does on the CPU, one image at a time;
            None where the list has none of these.
        batched: all others, which are done in batches on the device. They normalize.
    """

    cached: tuple[CachedTransform, ...]
    per_sample: PerSample | None
    batched: Augmentation

    @classmethod
    def from_transforms(cls, transforms: Sequence[Transform], seed: int = 0) -> ImagePipeline:
        """Cut the list of a config or a model folder; without random transforms any seed gives the same.

        Raises:
            UserError: torchvision refuses arguments, a crop is larger than the images, or the images of a batch
                would have several sizes.
        """
        cached: list[CachedTransform] = []
        for transform in transforms:
            if not isinstance(transform, CachedTransform):
                break
            cached.append(transform)
        assert cached, "the config asks for Resize first"
        by_position = list(enumerate(transforms))
        cut = max((at + 1 for at, t in by_position if isinstance(t, TorchvisionTransform)), default=len(cached))
        on_cpu, on_device = dict(by_position[len(cached) : cut]), dict(by_position[cut:])
        per_sample = PerSample(on_cpu, cached[-1].size, seed) if on_cpu else None
        size = cached[-1].size if per_sample is None else per_sample.output_size
        return cls(tuple(cached), per_sample, Augmentation(on_device, size, seed))

    @property
    def cached_size(self) -> tuple[int, int]:
        """[height, width] of the images in the pixel cache."""
        return self.cached[-1].size

    @property
    def model_input_size(self) -> tuple[int, int]:
        """[height, width] of the images that the model reads."""
        return self.batched.output_size

    @property
    def normalize(self) -> Normalize:
        """The transform that scales pixels for the model; every list has one."""
        (config,) = (op.config for op in self.batched.operations.values() if isinstance(op, Normalization))
        return config
