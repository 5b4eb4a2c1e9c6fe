"""What is no picture of a known format is named for what it is, and HEIC photos are read."""

from __future__ import annotations

import io
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from mtl_accel.core.errors import UserError
from mtl_accel.data.loading import decoding

RED = (255, 0, 0)
HEIC_HEADER = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
KINDS = {
    "html": (b"\n<!DOCTYPE html><html>not found</html>", r"HTML page .* download may have failed"),
    "svg": (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="x"></svg>', "SVG drawing, .* save it as PNG"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "`git lfs pull`"),
    "PDF": (b"%PDF-1.7\n", "PDF document"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "a video"),
    "archive": (b"PK\x03\x04rest", "an archive: unpack it"),
    "DICOM": (bytes(128) + b"DICM", "DICOM file"),
    "JPEG XL": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    "damaged HEIC": (HEIC_HEADER + bytes(50), "damaged"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "PostScript"),
    "text": (b"this is not an image", "not an image of a known format"),
}


def decode(content: bytes) -> Image.Image:
    return decoding.decode(content, place="train, id 3")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_no_picture_is_named_for_what_it_is(kind: str) -> None:
    content, reason = KINDS[kind]
    with pytest.raises(UserError, match=reason) as error:
        decode(content)
    assert str(error.value).startswith("train, id 3: ") and "Replace the file" in str(error.value)
    assert "TGA" not in str(error.value), "a format without a mark says nothing of a file"


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_heic_photo_is_read_upright_and_names_the_package_where_that_is_missing(
    orientation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.zeros((40, 64, 3), np.uint8)
    pixels[:, :32] = RED
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(stream, quality=95, exif=exif.tobytes())
    photo = np.asarray(decode(stream.getvalue()))
    np.testing.assert_allclose(photo, pixels if orientation == 1 else np.rot90(pixels, -1), atol=3)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UserError, match=r"a HEIC photo, and pillow_heif .* pip install 'mtl_accel\[heif\]'; or save"):
        decode(stream.getvalue())
