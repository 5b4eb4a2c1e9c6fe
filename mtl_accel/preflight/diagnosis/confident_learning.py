"""Confident learning (Northcutt, Jiang and Chuang, 2021): the given labels that a model's probabilities contradict.

The probabilities must be of rows that the model was not trained on. cleanlab, the authors' own library, has a licence
that does not go with ours, so the rules of the paper stand here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...core.tasks import Task

_MAX_DEVIATIONS = 3.5  # of a robust z score; Iglewicz and Hoaglin (1993)
_MAD_TO_STD = 1.4826  # a normal distribution's standard deviation, in median absolute deviations


class Suspects(NamedTuple):
    """Labels that are probably wrong, the worst first.

    Attributes:
        rows: int64 [M]; outputs: the label or column, int64 [M], and 0 where a task gives one class a row.
        suggested: float64 [M], the number of the class, 0 or 1 for a label, or the number that the model predicts.
        doubt: float64 [M], 1 minus the probability of what is given (its self-confidence), or the distance from the
            prediction in robust standard deviations.
    """

    rows: np.ndarray
    outputs: np.ndarray
    suggested: np.ndarray
    doubt: np.ndarray


def find_suspects(task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray) -> Suspects:
    """Find the suspected label errors of a task: scores as of `Task.probabilities`, target and mask as in `Targets`."""
    finders = {
        "multiclass": _wrong_classes,
        "ordinal": _wrong_classes,
        "multilabel": _wrong_labels,
        "regression": _wrong_numbers,
    }
    found = finders[task.kind](task, scores, target, mask)
    order = np.lexsort((found.outputs, found.rows, -found.doubt))
    return Suspects(*(array[order] for array in found))


def confident_classes(probabilities: np.ndarray, given: np.ndarray) -> np.ndarray:
    """The class that each row is confidently in: int64 [N], -1 for none.

    A row is confidently in a class whose probability is at least the mean of that class's probability over the rows
    that are given it. Of several such classes the most probable one counts.

    Args:
        probabilities: [N, C]. given: the class of each row, int64 [N].
    """
    num_classes = probabilities.shape[1]
    counts = np.bincount(given, minlength=num_classes)
    sums = np.bincount(given, probabilities[np.arange(len(given)), given], num_classes)
    # Nothing is confidently in a class that no row is given.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    confident = np.where(probabilities >= thresholds, probabilities, -1.0)
    return np.where(confident.max(axis=1) >= 0, confident.argmax(axis=1), -1)


def _off_diagonal(
    probabilities: np.ndarray, given: np.ndarray, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows off the diagonal of the confident joint, and for each its confident class and the doubt of the given one.

    A class that is given and predicted is not doubted, however sure the model is of other rows of it.
    """
    confident = confident_classes(probabilities, given)
    rows = np.flatnonzero((confident >= 0) & (confident != given) & (predicted != given))
    classes = confident[rows]
    return rows, classes, 1 - probabilities[rows, given[rows]]


def _wrong_classes(task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray) -> Suspects:
    labelled = np.flatnonzero(mask)
    probabilities = scores[labelled]
    predicted = task.predicted_classes(probabilities)
    rows, classes, doubts = _off_diagonal(probabilities, target[labelled].astype(np.int64), predicted)
    return Suspects(labelled[rows], np.zeros_like(rows), classes.astype(np.float64), doubts)


def _wrong_labels(task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray) -> Suspects:
    """Each label by itself, as two classes: no and yes."""
    parts = []
    for label in range(task.num_outputs):
        labelled = np.flatnonzero(mask[:, label])
        yes = scores[labelled, label]
        both = np.stack([1 - yes, yes], axis=1)
        rows, classes, doubts = _off_diagonal(both, target[labelled, label].astype(np.int64), both.argmax(axis=1))
        parts.append(Suspects(labelled[rows], np.full_like(rows, label), classes.astype(np.float64), doubts))
    return Suspects(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _wrong_numbers(task: Task, scores: np.ndarray, target: np.ndarray, mask: np.ndarray) -> Suspects:
    """Numbers far from their predictions, by the median and the median absolute deviation of a column's errors.

    Both are taken of logarithms where the task learns these.
    """
    is_log = task.scale is not None and task.scale.log1p
    errors = np.log1p(target) - np.log1p(np.maximum(scores, 0)) if is_log else target - scores
    parts = []
    for column in range(task.num_outputs):
        labelled = np.flatnonzero(mask[:, column])
        error = errors[labelled, column].astype(np.float64)
        centred = error - np.median(error) if len(error) else error
        spread = _MAD_TO_STD * np.median(np.abs(centred)) if len(error) else 0.0
        deviations = np.abs(centred) / (spread or np.inf)
        rows = np.flatnonzero(deviations > _MAX_DEVIATIONS)
        chosen = labelled[rows]
        parts.append(Suspects(chosen, np.full_like(rows, column), scores[chosen, column], deviations[rows]))
    return Suspects(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
