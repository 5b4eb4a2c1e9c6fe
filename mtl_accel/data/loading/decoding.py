"""Decodes one image file, of any mode, to RGB.

`datasets` could do it, but its errors do not name the row, and it turns 16-bit images into solid white. Nothing
global is changed, so this is safe in threads and in forked workers.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zlib
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ...core.errors import UserError

# Uncompressed, 180 megapixels are about 0.5 GB: more is a mistake or an attack (a decompression bomb).
MAX_PIXELS = 180_000_000

# Pillow also reads EPS, for which it starts Ghostscript, and rare formats with little testing.
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA")

# What Pillow's readers raise for files that are truncated or contradict themselves.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
    MemoryError,
    Image.DecompressionBombError,
)

_FIX = "Replace the file by a whole image, or remove its row."


Encoded = Mapping[str, Any] | bytes | str | PathLike[str]


def decode(
    value: Encoded | Image.Image, *, place: str, before_pixels: Callable[[Image.Image], object] | None = None
) -> Image.Image:
    """Decode an image to mode RGB: upright by its EXIF orientation, transparency over white, 16 bits scaled to 8.

    Args:
        value: what `datasets.Image(decode=False)` gives, the bytes of a file, its path, or an opened image.
        place: where it comes from, for errors, such as "train, line 12, images/x.jpg".
        before_pixels: is called with the opened image, to read its header or to have it decoded smaller
            (`PIL.Image.Image.draft`).

    Raises:
        UserError: the file is missing, empty, truncated, not an image, or has more than MAX_PIXELS pixels.
    """
    path: str | None = None
    content: bytes | None = None
    if isinstance(value, Mapping):
        content, path = value.get("bytes"), value.get("path")
    elif isinstance(value, bytes):
        content = value
    elif not isinstance(value, Image.Image):
        path = os.fspath(value)
    name = "the embedded image" if path is None else f"image {path!r}"
    try:
        image = value if isinstance(value, Image.Image) else _open(_read(path) if content is None else content)
        if before_pixels is not None:
            before_pixels(image)
        image.load()
        return _to_rgb(_upright(image))
    except _UnreadableError as error:
        raise UserError(f"{place}: {name} cannot be read: {error}. {_FIX}") from None
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise UserError(f"{place}: {name} cannot be decoded, the file is damaged: {reason}. {_FIX}") from error


class _UnreadableError(Exception):
    """Holds the reason in words, without the place."""


def _read(path: str | None) -> bytes:
    if path is None:
        raise _UnreadableError("the row holds neither a path nor bytes")
    try:
        # Opening a FIFO would wait for ever, so the type is checked first.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise _UnreadableError("it is not a regular file")
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise _UnreadableError("there is no such file") from None
    except (OSError, ValueError) as error:
        raise _UnreadableError(str(error)) from error


def _open(content: bytes) -> Image.Image:
    """Read the header of an image, as `PIL.Image.open` does, and check the size before any pixel is decoded.

    `PIL.Image.open` itself warns above 89 and raises above 179 megapixels. Only a global setting moves these limits,
    and only filters that are global too, and not safe in threads, could hide the warning.
    """
    if not content:
        raise _UnreadableError("the file is empty (0 bytes)")
    Image.init()
    notes = []
    for name in _FORMATS:
        if name not in Image.OPEN:
            continue
        factory, accepts = Image.OPEN[name]
        # Where a reader recognises the file but lacks its codec, this is a message instead of True.
        accepted = accepts is None or accepts(content[:16])
        if isinstance(accepted, str):
            notes.append(accepted)
            continue
        if not accepted:
            continue
        try:
            image = factory(io.BytesIO(content), "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            notes.append(f"{name}: {error}")
            continue
        except UnidentifiedImageError as error:
            raise _UnreadableError(str(error)) from error
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise _UnreadableError(
                f"its header says {width} x {height} pixels, more than the limit of {MAX_PIXELS:,} "
                "(a decompression bomb?)"
            )
        return image
    raise _UnreadableError("it is not an image of a known format" + (f" ({'; '.join(notes)})" if notes else ""))


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except (SyntaxError, ValueError, TypeError, LookupError, struct.error, zlib.error):
        # Unreadable EXIF says nothing about the pixels, which were read whole.
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        image = _to_8_bits(image)
    if image.mode in ("RGBa", "La"):
        image = image.convert("RGBA" if image.mode == "RGBa" else "LA")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert grey values of 16 bits (I;16, I), 32 bits (I) or floating point (F) to mode L.

    Black and white are the ends of the narrowest usual range that holds all values: 0..65535 for integers, 0..1,
    0..255 or 0..65535 for floats. If none does, they are the least and the greatest value.
    """
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise _UnreadableError("it holds values that are not finite (NaN or infinity)")
    low, high = float(values.min()), float(values.max())
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
    full = next((limit for limit in usual if low >= 0 and high <= limit), None)
    grey = values / full if full is not None else (values - low) / ((high - low) or 1.0)
    pixels = np.rint(grey * 255).astype(np.uint8)
    key = image.info.get("transparency")
    if isinstance(key, int):
        pixels[values == key] = 255
    return Image.fromarray(pixels)
