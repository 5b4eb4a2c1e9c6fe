"""Names what a file holds that is no picture of a format that is read, by its first bytes."""

from __future__ import annotations

import re

# Brands of the ISO base media file format, at byte 8 and from byte 16 on.
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}

_KINDS = (
    (rb"version https://git-lfs", "it is a pointer of Git LFS and not the picture itself: run `git lfs pull`"),
    (rb"%PDF-", "it is a PDF document, which is not read: save its pages as PNG or JPEG"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "it is PostScript, which is not read: save it as PNG or JPEG"),
    (rb"8BPS", "it is a Photoshop file (PSD), which is not read: save it as PNG or JPEG"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "it is a JPEG XL picture, which is not read: save it as PNG or JPEG"),
    (rb"\x93NUMPY", "it is an array of NumPy, which is not read: save it as PNG or TIFF"),
    (rb".{128}DICM", "it is a DICOM file, which is not read: save it as PNG or TIFF"),
    (rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!", "it is an archive: unpack it"),
    (rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI ", "it is a video, which is not read: save its frames as JPEG"),
)
_MARKUP = re.compile(rb"\s*(<\?xml[^>]*>|<!--.*?-->|\s)*<(!doctype\s+)?(?P<tag>svg|html|head|body)\b", re.I | re.S)


def is_heif(content: bytes) -> bool:
    """Whether a file is a HEIF picture, such as the HEIC photos of phones."""
    return bool(_brands(content) & _HEIF_BRANDS) and not _brands(content) & _AVIF_BRANDS


def describe_kind(content: bytes) -> str | None:
    """What a file is and what to do about it, as a part of a sentence; None where its first bytes do not tell."""
    start = content[:1024].removeprefix(b"\xef\xbb\xbf")
    if markup := _MARKUP.match(start):
        if markup["tag"].lower() == b"svg":
            return "it is an SVG drawing, which is not read: save it as PNG"
        return "it is an HTML page and no picture: a download may have failed, or needs a login"
    if _brands(content) & _AVIF_BRANDS:
        return "it is an AVIF picture, which this Pillow does not read: install pillow 11.3 or newer"
    return next((kind for pattern, kind in _KINDS if re.match(pattern, start, re.S)), None)


def _brands(content: bytes) -> set[bytes]:
    """The brands that a file of the ISO base media format says it follows."""
    if content[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(content[:4], "big"), 256)
    return {content[8:12]} | {content[at : at + 4] for at in range(16, end, 4)}
