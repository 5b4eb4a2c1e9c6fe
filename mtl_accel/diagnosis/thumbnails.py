"""Small pictures for the page, decoded again: only those that a finding shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from ..core.errors import UserError
from ..data.loading.decoding import decode
from .findings import Picture
from .survey import Survey

_PIXELS = 128  # of the longer side
_QUALITY = 80


def pictures_of(survey: Survey, shown: Sequence[tuple[Sequence[int], str, str]]) -> tuple[Picture, ...]:
    """Pictures side by side with a caption and a note, by their numbers in the survey."""
    return tuple(
        Picture(caption, below, tuple(_uri(survey, int(number)) for number in numbers))
        for numbers, caption, below in shown
    )


def _uri(survey: Survey, number: int) -> str:
    assert survey.labelled is not None
    split, row = survey.place(number)
    try:
        picture = decode(
            survey.labelled.splits[split].select([row])["image"][0],
            place=survey.describe(number),
            before_pixels=lambda image: image.draft(None, (_PIXELS, _PIXELS)),
        )
    except UserError:  # a finding of its own
        return ""
    picture.thumbnail((_PIXELS, _PIXELS))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
