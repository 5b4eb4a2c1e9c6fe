"""Any bytes are decoded to a picture, or refused by a UserError that names their place."""

import io

import pytest
from fuzz_cases import cases, damaged
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mtl_accel.core.errors import UserError
from mtl_accel.data.loading.decoding import decode

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "TGA", "JPEG2000")
MODES = {"PNG": ("RGB", "RGBA", "P", "L", "LA", "1", "I;16"), "TIFF": ("RGB", "L", "F", "I", "CMYK"), "GIF": ("P", "L")}


def encoded(name: str, mode: str) -> bytes:
    stream = io.BytesIO()
    picture = Image.effect_noise((17, 13), 80).convert("RGB" if mode not in ("F", "I", "I;16") else "L").convert(mode)
    picture.save(stream, name)
    return stream.getvalue()


WHOLE = [encoded(name, mode) for name in FORMATS for mode in MODES.get(name, ("RGB", "L"))]
BYTES = st.one_of(st.sampled_from(WHOLE).flatmap(damaged), st.binary(max_size=64))


# A damaged file makes Pillow warn; what is done about that is tested beside `decode`.
@pytest.mark.filterwarnings("ignore")
@cases(400)
@given(BYTES)
def test_bytes_are_decoded_or_refused(content):
    try:
        picture = decode(content, place="train, line 2")
    except UserError as error:
        assert all(problem.startswith("train, line 2: ") for problem in error.problems)
    else:
        assert picture.mode == "RGB" and min(picture.size) > 0
