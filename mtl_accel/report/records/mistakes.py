"""The mistakes that a model was most confident of, as small pictures with true and predicted labels."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import datasets
import numpy as np
from PIL import Image
from pydantic import BaseModel

from ...core.errors import UserError
from ...core.tasks import Task
from ...data.loading.decoding import decode

MAX_SHOWN, MAX_OF_A_KIND = 12, 3
THUMBNAIL_PIXELS = 128  # of a picture's longer side
_QUALITY = 85


class Mistake(BaseModel):
    """One picture. `picture`: a data URI of a JPEG, empty when it cannot be decoded any more."""

    id: str
    true: str
    predicted: str
    confidence: str
    picture: str


class WrongAnswer(NamedTuple):
    """One row whose answer is wrong.

    Attributes:
        kind: what was taken for what, the same for mistakes of one sort.
        confidence: a probability, or an error in deviations; `description` says which.
    """

    row: int
    kind: tuple[int, int]
    confidence: float
    true: str
    predicted: str
    description: str


def find_wrong_answers(
    task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray, thresholds: np.ndarray | None
) -> list[WrongAnswer]:
    """Find every row that is wrong, the most confident first.

    - multiclass and ordinal: the confidence is the probability of the class that was taken for the true one.
    - multilabel, with its thresholds: that of the label that was wrongly seen or missed, of several the highest.
    - regression: the error in standard deviations of the labels; only those beyond one are mistakes.
    """
    finders = {"multiclass": _classes, "ordinal": _classes, "multilabel": _labels, "regression": _numbers}
    return sorted(finders[task.kind](task, scores, target, mask, thresholds), key=lambda w: (-w.confidence, w.row))


def choose_mistakes(wrong: Sequence[WrongAnswer], table: datasets.Dataset) -> list[Mistake]:
    """Return the first mistakes with their pictures, few of a kind; `table` has the columns `id` and `image`."""
    num_of_kind: Counter[tuple[int, int]] = Counter()
    chosen: list[WrongAnswer] = []
    for mistake in wrong:
        num_of_kind[mistake.kind] += 1
        if num_of_kind[mistake.kind] <= MAX_OF_A_KIND and len(chosen) < MAX_SHOWN:
            chosen.append(mistake)
    rows = table.select([w.row for w in chosen])
    return [
        Mistake(
            id=str(row["id"]),
            true=w.true,
            predicted=w.predicted,
            confidence=w.description,
            picture=thumbnail(row["image"], f"validation, id {row['id']}"),
        )
        for w, row in zip(chosen, rows, strict=True)
    ]


def thumbnail(
    value: object, place: str, *, quality: int = _QUALITY, before_pixels: Callable[[Image.Image], object] | None = None
) -> str:
    """A small copy of an encoded image as a data URI of a JPEG; empty where it cannot be decoded.

    Args:
        before_pixels: as of `decode`.
    """
    try:
        picture = decode(value, place=place, before_pixels=before_pixels)  # type: ignore[arg-type]
    except UserError:
        return ""
    picture.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _classes(
    task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray, thresholds: np.ndarray | None
) -> list[WrongAnswer]:
    guessed = task.predicted_classes(scores)
    found = []
    for row in np.flatnonzero(mask & (guessed != target)):
        true, taken = int(target[row]), int(guessed[row])
        probability = float(scores[row, taken])
        names = task.classes[true], task.classes[taken]
        found.append(WrongAnswer(int(row), (true, taken), probability, *names, f"probability {probability:.2f}"))
    return found


def _labels(
    task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray, thresholds: np.ndarray | None
) -> list[WrongAnswer]:
    assert thresholds is not None
    predicted, positive = scores >= thresholds, target == 1
    found = []
    for row in np.flatnonzero((mask & (predicted != positive)).any(axis=1)):
        wrong = np.flatnonzero(mask[row] & (predicted[row] != positive[row]))
        confidence = np.where(predicted[row, wrong], scores[row, wrong], 1 - scores[row, wrong])
        worst = int(wrong[confidence.argmax()])
        kind = (worst, int(predicted[row, worst]))
        what = "wrongly seen" if predicted[row, worst] else "missed"
        description = f"{what}: {task.classes[worst]}, probability {scores[row, worst]:.2f}"
        # An unlabelled label is neither true nor a mistake.
        true, taken = (_names(task, labels & mask[row]) for labels in (positive[row], predicted[row]))
        found.append(WrongAnswer(int(row), kind, float(confidence.max()), true, taken, description))
    return found


def _names(task: Task, labels: np.ndarray) -> str:
    return ", ".join(task.classes[index] for index in np.flatnonzero(labels)) or "none"


def _numbers(
    task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray, thresholds: np.ndarray | None
) -> list[WrongAnswer]:
    deviation = np.ma.array(target, mask=~mask).std(axis=0).filled(0)
    errors = np.where(mask, np.abs(scores - target), 0) / np.maximum(deviation, 1e-12)
    found = []
    for row in np.flatnonzero((errors > 1).any(axis=1)):
        worst = int(errors[row].argmax())
        true, predicted = (f"{task.classes[worst]} {values[row, worst]:.6g}" for values in (target, scores))
        error = float(errors[row, worst])
        kind = (worst, int(scores[row, worst] > target[row, worst]))
        found.append(WrongAnswer(int(row), kind, error, true, predicted, f"off by {error:.1f} deviations"))
    return found
