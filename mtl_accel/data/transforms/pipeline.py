"""The image pipeline: from a decoded image to the input of the model, cut into what runs where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from ...config.sections.picture_sizes import (
    Extent,
    PictureSize,
    cached_part,
    extent_after,
    needs_source_size,
    size_after,
)
from ...config.sections.transform_problems import size_problems
from ...config.sections.transforms import (
    CachedTransform,
    CenterCrop,
    FiveCrop,
    FixedTransform,
    Normalize,
    RequireSize,
    SeveralCrops,
    Transform,
    is_torchvisions,
)
from ...core.errors import UserError
from .augment import Augmentation
from .color import Normalization
from .crops import ExtraViews, crops_of, num_crops, passes_of
from .per_sample import PerSample

# Sizes that the pictures of a data set may have, for dry runs where theirs are not made one.
_EXAMPLE_SIZES = ((1000, 1000), (1000, 800), (900, 1000))


@dataclass(frozen=True)
class ImagePipeline:
    """A list of transforms in the parts that it is carried out in.

    A transform keeps its position in the whole list as the key of its random numbers, so a cut changes none of them.

    Attributes:
        cached: the leading transforms that are the same in every epoch. They are done once for each image, and the
            pixel cache keeps the result.
        per_sample: those up to the last of torchvision's own, or up to the one that brings images to one size, which
            the loader does on the CPU, one image at a time; None where the list has none of these.
        crops: what makes several views of an image; None where each stays one.
        batched: all others, which are done in batches on the device. They normalize.
    """

    cached: tuple[CachedTransform, ...]
    per_sample: PerSample | None
    crops: SeveralCrops | ExtraViews | None
    batched: Augmentation

    @classmethod
    def from_transforms(
        cls, transforms: Sequence[Transform], seed: int = 0, source_size: PictureSize | None = None
    ) -> ImagePipeline:
        """Cut the list of a config or a model folder; without random transforms any seed gives the same.

        Args:
            source_size: [height, width] that all images have, for lists that bring them to no size of their own
                (`needs_source_size`).

        Raises:
            UserError: torchvision refuses arguments, a crop is larger than the images, or the images of a batch
                would have several sizes.
        """
        cached = cached_part(transforms)
        by_position = dict(enumerate(transforms))
        start = len(cached)
        if needs_source_size(transforms):
            assert source_size is not None, "the caller looks at the images first"
            if problems := size_problems(transforms, "transforms", Extent.of(source_size)):
                raise UserError(problems)
            cached = (RequireSize(name="RequireSize", size=source_size), *cached)
        extent = extent_after(cached)
        sizes = list(dict.fromkeys(size_after(cached, size) for size in _EXAMPLE_SIZES))
        cut = _end_of_per_sample(transforms, start, extent)
        on_cpu = {position: t for position, t in by_position.items() if start <= position < cut}
        per_sample = PerSample(on_cpu, sizes, seed) if on_cpu else None
        size = sizes[0] if per_sample is None else per_sample.output_size
        crops = next((t for t in transforms if isinstance(t, SeveralCrops)), None)
        on_device = {p: t for p, t in by_position.items() if p >= cut and not isinstance(t, SeveralCrops)}
        return cls(cached, per_sample, crops, Augmentation(on_device, size if crops is None else crops.size, seed))

    @property
    def cached_size(self) -> PictureSize | None:
        """[height, width] of the images in the pixel cache; None where they have several sizes."""
        return extent_after(self.cached).size

    @property
    def loaded_shape(self) -> tuple[int, ...]:
        """The shape of an image as the loader gives it: [3, H, W], or [crops, 3, h, w] if it has cut the crops."""
        if self.cached_size is None and self.crops is not None:
            return (num_crops(self.crops), 3, *self.crops.size)
        size = self.cached_size if self.per_sample is None else self.per_sample.output_size
        assert size is not None, "images of several sizes have transforms that bring them to one"
        return (3, *size)

    @property
    def model_input_size(self) -> PictureSize:
        """[height, width] of the images that the model reads."""
        return self.batched.output_size

    @property
    def normalize(self) -> Normalize:
        """The transform that scales pixels for the model; every list has one."""
        (config,) = (op.config for op in self.batched.operations.values() if isinstance(op, Normalization))
        return config

    @property
    def fixed(self) -> tuple[FixedTransform, ...]:
        """The whole list of an evaluation, in which nothing is random; with the size that all images must have."""
        assert not self.batched.is_random and not isinstance(self.crops, ExtraViews)
        return (*self.cached, *((self.crops,) if self.crops else ()), self.normalize)

    def with_views(self, scales: Sequence[float], *, has_crops: bool) -> ImagePipeline:
        """That of an evaluation with several views of each image, which are made from what its last CenterCrop gets.

        Args:
            scales: sizes beside that of the list, as factors.
            has_crops: whether the corners and the middle take the place of the middle.

        Raises:
            UserError: there is nothing around the middle to crop.
        """
        assert not self.batched.is_random and not isinstance(self.crops, ExtraViews)
        size, last = self.model_input_size, self.cached[-1] if self.cached else None
        cached = self.cached[:-1] if isinstance(last, CenterCrop) and self.crops is None else self.cached
        extent = extent_after(cached)
        if has_crops and (problem := _views_problem(self, extent)):
            raise UserError(f"tta: crops=5 {problem}")
        crops = FiveCrop(name="FiveCrop", size=size) if has_crops else self.crops
        views = ExtraViews(size, tuple(scales), crops, self.crops is not None, self.normalize.mean)
        sizes = list(dict.fromkeys(size_after(cached, example) for example in _EXAMPLE_SIZES))
        per_sample = PerSample({len(cached): views}, sizes, 0) if extent.size is None else None
        return replace(self, cached=cached, per_sample=per_sample, crops=views)

    def views(self, images: Tensor) -> list[Tensor]:
        """The images that the model reads of each loaded image: itself, or its crops, uint8 [B, 3, h, w] each.

        images: uint8 [B, *loaded_shape], on any device.
        """
        if self.crops is None:
            return [images]
        return list(images.unbind(1)) if images.ndim == 5 else crops_of(images, self.crops)

    @property
    def num_passes(self) -> int:
        """How many predictions there are of an image: 1 but for test-time augmentation."""
        return num_crops(self.crops) // self.crops.views_a_pass if isinstance(self.crops, ExtraViews) else 1

    def passes(self, images: Tensor) -> Iterator[list[Tensor]]:
        """The views of each pass over loaded images, as in `views`: one pass, or several in test-time augmentation.

        The mean of the logits of a pass is one prediction.
        """
        if isinstance(self.crops, ExtraViews) and images.ndim == 4:
            yield from passes_of(images, self.crops)  # one after another: all of them may take much memory
            return
        views = self.views(images)
        views_a_pass = self.crops.views_a_pass if isinstance(self.crops, ExtraViews) else len(views)
        yield from (views[start : start + views_a_pass] for start in range(0, len(views), views_a_pass))


def _views_problem(pipeline: ImagePipeline, extent: Extent) -> str | None:
    """Why five crops of an image are none, or would all be the same."""
    if pipeline.crops is not None:
        return f"and the {pipeline.crops.name} of transforms.eval, whose crops are predicted anyway; leave crops out"
    size = pipeline.model_input_size
    if pipeline.cached and isinstance(pipeline.cached[-1], CenterCrop) and extent.size != size:
        return None
    return (
        f"needs pictures that are larger than the {list(size)} of the network, and a CenterCrop cuts out: the "
        "transforms.eval of this model leave nothing around the middle; leave crops out, or take scales such as 1.15"
    )


def _end_of_per_sample(transforms: Sequence[Transform], start: int, extent: Extent) -> int:
    """The position behind the last transform that takes one image at a time; `start` if there is none.

    Args:
        start: the number of cached transforms.
        extent: of the images behind these.
    """
    end = start
    for position, transform in enumerate(transforms[start:], start):
        has_one_size = extent.size is not None
        extent = extent_after([transform], extent) if not has_one_size else extent
        if is_torchvisions(transform) or not has_one_size:
            end = position + 1
    return end
