"""The transforms that are done once for each decoded picture, before it is kept in the pixel cache."""

from __future__ import annotations

from PIL import Image
from torchvision.transforms.v2 import functional as tvf

from ...config.sections.picture_sizes import Extent, PictureSize, padding_of, resized
from ...config.sections.transform_problems import padding_problem
from ...config.sections.transforms import CachedTransform, CenterCrop, Pad, PadToSquare, RequireSize, Resize
from ...core.errors import UserError


class OtherSizeError(UserError):
    """A picture has another size than all must have."""

    def __init__(self, place: str, size: PictureSize, required: PictureSize) -> None:
        self.size, self.required = size, required
        super().__init__(
            f"{place}: the picture is {list(size)} pixels, [height, width], and all must be {list(required)}; "
            "put Resize first in transforms.train and transforms.eval, or make all pictures of one size"
        )


def transform_picture(image: Image.Image, transform: CachedTransform, place: str) -> Image.Image:
    """Apply one transform to a picture of mode RGB, by torchvision's own functions for Pillow's pictures.

    Raises:
        UserError: the picture is too small or too narrow for it, or, as OtherSizeError, must have another size.
    """
    size = image.height, image.width
    if isinstance(transform, RequireSize):
        if size != transform.size:
            raise OtherSizeError(place, size, transform.size)
        return image
    if isinstance(transform, Resize):
        return _resize(image, transform, place)
    if isinstance(transform, CenterCrop):
        if transform.size[0] > size[0] or transform.size[1] > size[1]:
            raise UserError(
                f"{place}: CenterCrop of {list(transform.size)} is larger than the picture of {list(size)} before it; "
                "make it smaller, or Resize larger, or Pad before it"
            )
        return tvf.center_crop(image, list(transform.size))
    return _pad(image, transform, place)


def _resize(image: Image.Image, resize: Resize, place: str) -> Image.Image:
    size = image.height, image.width
    if 0 in resized(size, resize):
        raise UserError(
            f"{place}: the picture of {list(size)} is so narrow that Resize leaves nothing of its shorter side; remove "
            "its row, or give size as [height, width]"
        )
    sides = list(resize.size) if isinstance(resize.size, tuple) else resize.size
    mode = tvf.InterpolationMode(resize.interpolation)
    return tvf.resize(image, sides, interpolation=mode, max_size=resize.max_size, antialias=True)


def _pad(image: Image.Image, pad: Pad | PadToSquare, place: str) -> Image.Image:
    size = image.height, image.width
    if problem := padding_problem(pad, Extent.of(size)):
        raise UserError(f"{place}: {pad.name}: {problem}")
    fill = tuple(map(round, pad.fill)) if isinstance(pad.fill, tuple) else round(pad.fill)
    return tvf.pad(image, list(padding_of(pad, size)), fill=fill, padding_mode=pad.padding_mode)
