"""Any image mode becomes the right RGB, and what cannot be decoded is an error that names its row."""

from __future__ import annotations

import io
import os
import struct
import threading
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loading_cases import encode
from PIL import Image

from mtl_accel.core.errors import UserError
from mtl_accel.data.loading import decoding

PLACE = "train.csv, line 12"
WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


def decode(content: bytes) -> Image.Image:
    return decoding.decode({"path": None, "bytes": content}, place=PLACE)


def _palette(transparent: bool) -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    return encode(image, **({"transparency": 1} if transparent else {}))


def _palette_with_alpha() -> bytes:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    return encode(image, transparency=bytes([128, 0]))


def _half_transparent(mode: str, value) -> bytes:
    return encode(Image.new(mode, (2, 1), value))


SINGLE = {
    "RGB": (encode(Image.new("RGB", (2, 1), RED)), [RED, RED]),
    "L": (encode(Image.new("L", (2, 1), 100)), [(100,) * 3] * 2),
    "1": (encode(Image.new("1", (2, 1), 1)), [WHITE, WHITE]),
    "P": (_palette(False), [RED, (0, 0, 255)]),
    "P with transparency": (_palette(True), [RED, WHITE]),
    "P with an alpha for each colour": (_palette_with_alpha(), [(255, 127, 127), WHITE]),
    "RGBA": (_half_transparent("RGBA", (255, 0, 0, 128)), [(255, 127, 127)] * 2),
    "RGBA, fully transparent": (_half_transparent("RGBA", (255, 0, 0, 0)), [WHITE] * 2),
    "LA": (_half_transparent("LA", (0, 128)), [(127,) * 3] * 2),
    "RGB with a transparent colour": (encode(Image.new("RGB", (2, 1), RED), transparency=RED), [WHITE] * 2),
    "L with a transparent grey": (encode(Image.new("L", (2, 1), 9), transparency=9), [WHITE] * 2),
    "CMYK": (encode(Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "TIFF"), [RED, RED]),
    "I;16": (encode(Image.fromarray(np.array([[0, 65535]], np.uint16))), [BLACK, WHITE]),
    "I;16 TIFF": (encode(Image.fromarray(np.array([[257, 65535]], np.uint16)), "TIFF"), [(1, 1, 1), WHITE]),
    "I;16 with the values of 8 bits": (encode(Image.fromarray(np.array([[0, 255]], np.uint16))), [BLACK, WHITE]),
    "I;16 just above 8 bits": (encode(Image.fromarray(np.array([[0, 256]], np.uint16))), [BLACK, (1, 1, 1)]),
    "I with the values of 8 bits": (
        encode(Image.fromarray(np.array([[9, 100]], np.int32)), "TIFF"),
        [(9,) * 3, (100,) * 3],
    ),
    "I": (encode(Image.fromarray(np.array([[0, 32896]], np.int32)), "TIFF"), [BLACK, (128,) * 3]),
    "I beyond 16 bits": (encode(Image.fromarray(np.array([[-5, 2**30]], np.int32)), "TIFF"), [BLACK, WHITE]),
    "F in 0..1": (encode(Image.fromarray(np.array([[0.0, 1.0]], np.float32)), "TIFF"), [BLACK, WHITE]),
    "F in 0..255": (encode(Image.fromarray(np.array([[0.0, 100.0]], np.float32)), "TIFF"), [BLACK, (100,) * 3]),
    "GIF": (encode(Image.new("RGB", (2, 1), RED), "GIF"), [RED, RED]),
    "BMP": (encode(Image.new("RGB", (2, 1), RED), "BMP"), [RED, RED]),
    "WEBP": (encode(Image.new("RGB", (2, 1), RED), "WEBP", lossless=True), [RED, RED]),
    "WEBP with alpha": (encode(Image.new("RGBA", (2, 1), (0, 0, 0, 0)), "WEBP", lossless=True), [WHITE] * 2),
    "PPM of 16 bits": (b"P5 2 1 65535\n" + struct.pack(">HH", 0, 65535), [BLACK, WHITE]),
}


@pytest.mark.parametrize("kind", SINGLE)
def test_each_mode_becomes_the_right_rgb(kind):
    content, expected = SINGLE[kind]
    image = decode(content)
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image).reshape(-1, 3), expected, atol=1)


def test_big_endian_16_bit_tiff_is_scaled():
    values = np.array([[0, 257, 65535]], dtype=">u2")
    header = struct.pack(">2sHI", b"MM", 42, 8)
    tags = [(256, 3, 3), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (277, 3, 1), (278, 3, 1)]
    offset = 8 + 2 + 12 * (len(tags) + 2) + 4
    entries = [struct.pack(">HHIHH", tag, kind, 1, value, 0) for tag, kind, value in tags]
    entries.insert(5, struct.pack(">HHII", 273, 4, 1, offset))
    entries.append(struct.pack(">HHII", 279, 4, 1, values.nbytes))
    content = header + struct.pack(">H", len(entries)) + b"".join(entries) + bytes(4) + values.tobytes()
    assert Image.open(io.BytesIO(content)).mode == "I;16B"
    assert np.asarray(decode(content))[0, :, 0].tolist() == [0, 1, 255]


def test_a_16_bit_ramp_keeps_its_grey_levels():
    ramp = np.linspace(0, 65535, 4096).astype(np.uint16).reshape(64, 64)
    grey = np.asarray(decode(encode(Image.fromarray(ramp))))[..., 0]
    assert len(np.unique(grey)) > 200
    assert np.abs(grey - ramp / 257.0).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation, dtype):
    scale = 257 if dtype == np.uint16 else 1
    stored = np.array([[10, 20, 30], [40, 50, 60]], dtype) * dtype(scale)
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].T,
        8: np.rot90(stored),
    }[orientation]
    image = decode(encode(Image.fromarray(stored), exif=exif))
    np.testing.assert_array_equal(np.asarray(image)[..., 0], shown // scale)


def test_broken_exif_leaves_the_picture_as_stored():
    content = encode(Image.new("RGB", (4, 2), RED), exif=b"Exif\0\0nonsense")
    assert decode(content).size == (4, 2)


def test_adobe_cmyk_jpeg_is_not_inverted():
    pixels = np.asarray(decode(encode(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)))
    np.testing.assert_allclose(pixels.reshape(-1, 3).mean(0), RED, atol=12)


def test_bytes_a_path_and_the_column_of_datasets_give_the_same_pixels(tmp_path):
    content = encode(Image.new("RGB", (3, 2), (1, 2, 3)))
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for value in (content, path, str(path), {"path": str(path), "bytes": None}, {"path": "gone", "bytes": content}):
        assert decoding.decode(value, place=PLACE).getpixel((2, 1)) == (1, 2, 3)


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


WHOLE = encode(Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)), "JPEG")
BAD = {
    "empty": (b"", "empty"),
    "truncated JPEG": (WHOLE[: len(WHOLE) // 2], "truncated"),
    "truncated PNG": (encode(Image.effect_noise((64, 64), 50))[:2000], "damaged"),
    "header only": (WHOLE[:20], "JPEG|damaged"),
    "bomb": (_png_header(30000, 30000), r"30000 x 30000 pixels, more than the limit of 180,000,000"),
    "just above the limit": (_png_header(18000, 10001), "limit"),
    "NaN": (encode(Image.fromarray(np.array([[np.nan]], np.float32)), "TIFF"), "not finite"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_an_error_with_place_file_reason_and_fix(kind, tmp_path):
    content, reason = BAD[kind]
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=reason) as error:
        decoding.decode({"path": str(path), "bytes": None}, place=PLACE)
    message = str(error.value)
    assert message.startswith(PLACE) and str(path) in message and "Replace the file" in message


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.arange(2500 * 2000, dtype=np.uint16).reshape(2500, 2000)),
        Image.new("RGBA", (2000, 2500), (9, 9, 9, 9)),
    ],
)
def test_conversions_of_a_large_picture_take_little_more_than_its_result(image: Image.Image):
    content = encode(image, compress_level=0)
    tracemalloc.start()
    try:
        decode(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # NumPy's part of it: the content, and some megabytes of what is converted at a time. Whole float64 are 40 MB.
    assert peak < len(content) + 30e6


def test_a_missing_file_and_a_fifo_are_errors_and_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "fifo.jpg")
    with pytest.raises(UserError, match="not a regular file"):
        decoding.decode(tmp_path / "fifo.jpg", place=PLACE)
    with pytest.raises(UserError, match="no such file"):
        decoding.decode(tmp_path / "gone.jpg", place=PLACE)
    with pytest.raises(UserError, match="neither a path nor bytes"):
        decoding.decode({"path": None, "bytes": None}, place=PLACE)


def test_a_large_image_below_the_limit_does_not_warn():
    content = encode(Image.new("1", (10_000, 9_000), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(content).size == (10_000, 9_000)


def test_decoding_changes_no_global_of_pillow_and_runs_in_threads():
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    results: list[bytes] = []
    contents = [encode(Image.new("RGB", (8, 8), (index, 0, 0))) for index in range(16)]

    def work() -> None:
        results.extend(decode(content).tobytes()[:1] for content in contents)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(bytes([index]) for index in range(16) for _ in range(4))
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


SEEDS = [content for content, _ in SINGLE.values()] + [WHOLE]


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=4), st.data())
def test_damaged_files_are_an_image_or_a_user_error(content, changes, data):
    damaged = bytearray(content)
    for position, value in changes:
        damaged[position % len(damaged)] = value
    end = data.draw(st.integers(0, len(damaged)))
    with warnings.catch_warnings():
        # Pillow warns about odd metadata of files that it can read.
        warnings.simplefilter("ignore")
        try:
            assert decode(bytes(damaged[:end])).mode == "RGB"
        except UserError as error:
            assert str(error).startswith(PLACE)
