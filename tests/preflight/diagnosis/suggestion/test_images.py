"""To which size unknown pictures are brought."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pytest
from loading_cases import png
from PIL import Image

from mtl_accel.preflight.diagnosis.suggestion.images import MAX_SAMPLE, sample_images, suggest_transforms


def sizes(*heights_and_widths: tuple[int, int]) -> np.ndarray:
    return np.array(heights_and_widths * 10)


@pytest.mark.parametrize(
    ("pictures", "size", "reason"),
    [
        (sizes((24, 24)), [32, 32], "enlarged, since the networks need 32"),
        (sizes((28, 28)), [32, 32], "of about 28 x 28 are brought to 32 x 32"),
        (sizes((40, 40)), [32, 32], "32 x 32"),  # 64 would blow them up by more than a half
        (sizes((64, 64)), [64, 64], "64 x 64"),
        (sizes((100, 110)), [96, 96], "96 x 96"),
        (sizes((3000, 3000)), [224, 224], "224 x 224"),
        (sizes((800, 600)), [256, 192], "192 x 256, which keeps their shape"),
        (sizes((600, 800)), [192, 256], "256 x 192, which keeps their shape"),
        (sizes((800, 600), (600, 800)), [224, 224], "their shapes differ, and what is not square is squeezed"),
        (sizes((2000, 200)), [160, 160], "squeezed"),  # ten times as high as wide
    ],
)
def test_the_size_follows_from_the_pictures(pictures, size, reason):
    transforms, text = suggest_transforms(pictures)
    assert transforms["train"][0] == transforms["eval"][0] == {"name": "Resize", "size": size}
    assert [each["name"] for each in transforms["train"]] == ["Resize", "RandomHorizontalFlip", "Normalize"]
    assert reason in text


def test_a_sample_is_spread_over_the_rows_and_counts_broken_images():
    images = [{"bytes": b"none" if row == 0 else png(row), "path": None} for row in range(MAX_SAMPLE + 50)]
    table = datasets.Dataset.from_dict({"id": [str(row) for row in range(len(images))], "image": images})
    found = sample_images(table)
    assert found.num_broken == 1 and len(found.sizes) == MAX_SAMPLE - 1


def test_a_photo_has_the_size_at_which_it_is_seen():
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    Image.new("RGB", (400, 300)).save(stream, "JPEG", exif=exif)
    table = datasets.Dataset.from_dict({"id": ["0"], "image": [{"bytes": stream.getvalue(), "path": None}]})
    assert sample_images(table).sizes.tolist() == [[400, 300]]
