"""Small pictures for the page, decoded again: only those that a finding shows."""

from __future__ import annotations

from collections.abc import Sequence

from ...report.records.mistakes import THUMBNAIL_PIXELS, thumbnail
from .findings import Picture
from .survey import Survey

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
    return thumbnail(
        survey.labelled.splits[split].select([row])["image"][0],
        survey.describe(number),
        quality=_QUALITY,
        before_pixels=lambda image: image.draft(None, (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)),
    )
