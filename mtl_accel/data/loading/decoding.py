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

from ...core.errors import UserError, import_extra
from .decoding_notes import add_note, decoding_of
from .file_kinds import describe_kind, is_heif

# Uncompressed, 180 megapixels are about 0.5 GB: more is a mistake or an attack (a decompression bomb).
MAX_PIXELS = 180_000_000

_PART_PIXELS = 2**20  # that are converted at a time, since some conversions take several times the memory

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

    Of an animation or a file with several pages it is the first picture.

    Args:
        value: what `datasets.Image(decode=False)` gives, the bytes of a file, its path, or an opened image.
        place: where it comes from, for errors, such as "train, line 12, images/x.jpg".
        before_pixels: is called with the opened image, to read its header or to have it decoded smaller
            (`PIL.Image.Image.draft`).

    Raises:
        UserError: the file is missing, empty, truncated, not an image, has more than MAX_PIXELS pixels, or is a HEIC
            photo and pillow-heif is not installed.
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
        with decoding_of(place):
            image = value if isinstance(value, Image.Image) else _open(_read(path) if content is None else content)
            if before_pixels is not None:
                before_pixels(image)
            _note_animation(image)
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
            if accepts is not None:  # a reader that takes any file for its own has nothing to say of it
                notes.append(f"{name}: {error}")
            continue
        except UnidentifiedImageError as error:
            raise _UnreadableError(str(error)) from error
        _require_size(image.size)
        return image
    if is_heif(content):
        return _open_heif(content)
    known = describe_kind(content) or "it is not an image of a known format"
    raise _UnreadableError(known + (f" ({'; '.join(notes)})" if notes else ""))


def _require_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise _UnreadableError(
            f"its header says {width} x {height} pixels, more than the limit of {MAX_PIXELS:,} (a decompression bomb?)"
        )


def _open_heif(content: bytes) -> Image.Image:
    """Read a HEIC photo, as phones take them, upright and with 8 bits, by a package of its own."""
    try:
        (pillow_heif,) = import_extra("heif", "pillow_heif")
    except UserError as error:
        raise _UnreadableError(f"it is a HEIC photo, and {error}; or save it as JPEG") from None
    photo = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=True)
    _require_size(photo.size)
    image: Image.Image = photo.to_pillow()
    return image


def _note_animation(image: Image.Image) -> None:
    try:
        several = getattr(image, "is_animated", False)
    except _DAMAGE:
        return  # of the second picture; only the first one counts
    if several:
        add_note("are animated or have several pages, of which the first is read")


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
        return _over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    """Lay a picture with transparency over white, a part at a time: whole copies of a large one take gigabytes."""
    done = Image.new("RGB", image.size)
    for box in _parts(image.size):
        part = image.crop(box).convert("RGBA")
        done.paste(Image.alpha_composite(Image.new("RGBA", part.size, "white"), part).convert("RGB"), box)
    return done


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Convert grey values of 16 bits (I;16, I), 32 bits (I) or floating point (F) to mode L.

    Black and white are the ends of the narrowest usual range that holds all values: 0..255 or 0..65535, and for floats
    0..1 as well. If none does, they are the least and the greatest value. So 8 bits that were stored in 16 or 32 are
    read as they are, where the range of the file's type would make them black; a note says so.
    """
    boxes, key = _parts(image.size), image.info.get("transparency")
    extremes = np.array([_extremes(np.asarray(image.crop(box))) for box in boxes])
    low, high = float(extremes[:, 0].min()), float(extremes[:, 1].max())
    usual = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    full = next((limit for limit in usual if low >= 0 and high <= limit), None)
    if image.mode != "F" and full == 255 and high > 0:
        add_note("have 16 or 32 bits and no value above 255, and are read as pictures of 8 bits")
    done = Image.new("L", image.size)
    for box in boxes:
        values = np.asarray(image.crop(box)).astype(np.float64)
        grey = values / full if full is not None else (values - low) / ((high - low) or 1.0)
        pixels = np.rint(grey * 255).astype(np.uint8)
        if isinstance(key, int):
            pixels[values == key] = 255
        done.paste(Image.fromarray(pixels), box)
    return done


def _extremes(values: np.ndarray) -> tuple[float, float]:
    if not np.isfinite(values).all():
        raise _UnreadableError("it holds values that are not finite (NaN or infinity)")
    return float(values.min()), float(values.max())


def _parts(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Boxes of whole rows that make up a picture, of about a megapixel each."""
    width, height = size
    rows = max(1, _PART_PIXELS // max(width, 1))
    return [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
