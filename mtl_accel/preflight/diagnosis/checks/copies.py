"""Pictures that occur twice: across splits, inside one, and with labels that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ....core.tasks import Task
from ....data.labels.reader import Targets
from ..duplicates import EXACT, KINDS, MIRRORED, NEAR, Duplicates
from ..findings import Finding, Picture, note, table, warning
from ..survey import Survey
from ..thumbnails import pictures_of

_MAX_PICTURES = 12  # pairs
_MAX_LABELS = 6  # of a pair, in words
_TOLERANCE = 0.1  # standard deviations of the numbers of training, from which on two of them contradict each other


def check_copies(survey: Survey) -> Iterator[Finding]:
    """Leaks from training into validation or test, and copies inside a split."""
    pairs = survey.duplicates
    if pairs is None:
        return
    if not pairs.is_complete:
        title = f"More than {len(pairs):,} pairs of pictures are nearly the same: only these were looked at"
        yield warning("copies", title, "The data may hold frames of films; keep one of each scene, or split by film.")
    names = survey.split_names
    leaks = names[pairs.first] != names[pairs.second]
    for kind in (EXACT, NEAR, MIRRORED):
        if len(chosen := pairs.select(leaks & (pairs.kind == kind))):
            yield _leak(survey, chosen, kind)
    for kind in (EXACT, NEAR, MIRRORED):
        if len(chosen := pairs.select(~leaks & (pairs.kind == kind))):
            yield _inside(survey, chosen, kind)


def _leak(survey: Survey, pairs: Duplicates, kind: int) -> Finding:
    later = len(np.unique(pairs.second))
    where = sorted({(str(survey.split_names[a]), str(survey.split_names[b])) for a, b in _numbers(pairs)})
    between = ", ".join(f"{a} and {b}" for a, b in where)
    title = f"{later:,} picture{'s are' if later > 1 else ' is'} in two splits ({KINDS[kind]}): {between}"
    text = "Figures of the later split are too good by these. Remove them there"
    held_out = bool(survey.labelled and survey.labelled.held_out)
    text += ", or name a column of groups as data.group_column." if held_out else "."
    if kind == MIRRORED:
        text += " Ignore those whose mirror image is another thing, such as arrows to the left and to the right."
    return warning("copies", title, text, **_shown(survey, pairs))


def _inside(survey: Survey, pairs: Duplicates, kind: int) -> Finding:
    title = f"{len(pairs):,} pair{'s' * (len(pairs) > 1)} of pictures inside a split: {KINDS[kind]}"
    return note("copies", title, "Each of them counts twice.", **_shown(survey, pairs))


def _shown(survey: Survey, pairs: Duplicates) -> dict[str, Any]:
    """Table and pictures of pairs."""
    rows = [
        (survey.describe(a), survey.describe(b), f"{difference:.1f}")
        for (a, b), difference in zip(_numbers(pairs), pairs.difference, strict=True)
    ]
    head = ("picture", "its copy", "difference (grey values)")
    return {"tables": (table("Pairs", head, rows, num_words=2),), "pictures": _pictures(survey, pairs)}


def _pictures(survey: Survey, pairs: Duplicates, notes: Sequence[str] = ()) -> tuple[Picture, ...]:
    """The first pairs, side by side."""
    chosen = _numbers(pairs)[:_MAX_PICTURES]
    captions = [f"{survey.describe(a)}; {survey.describe(b)}" for a, b in chosen]
    return pictures_of(survey, list(zip(chosen, captions, notes or [""] * len(chosen), strict=False)))


def _numbers(pairs: Duplicates) -> list[tuple[int, int]]:
    return list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))


def check_contradictions(survey: Survey) -> Iterator[Finding]:
    """Copies, the same or nearly the same, whose labels differ; mirror images may well be of another class."""
    if survey.duplicates is None or survey.labelled is None:
        return
    pairs = survey.duplicates.select(survey.duplicates.kind != MIRRORED)
    for task in survey.labelled.tasks.values():
        differ = _differences(survey.targets[task.name], task, pairs)
        at = np.flatnonzero(differ.any(axis=1))
        if len(at):
            chosen = pairs.select(at)
            words = [_describe(survey.targets[task.name], task, *pair) for pair in _numbers(chosen)]
            rows = [
                (survey.describe(a), survey.describe(b), KINDS[kind], what)
                for (a, b), kind, what in zip(_numbers(chosen), chosen.kind.tolist(), words, strict=True)
            ]
            yield warning(
                "contradictions",
                f"{task.name}: {len(at):,} pair{'s' * (len(at) > 1)} of copies with different labels",
                "One of the two labels is wrong, or the picture does not show what they say.",
                tables=(table("Contradictions", ("picture", "its copy", "they are", "labels"), rows, num_words=4),),
                pictures=_pictures(survey, chosen, words),
            )


def _differences(targets: Targets, task: Task, pairs: Duplicates) -> np.ndarray:
    """Which labels of each pair contradict each other: bool [P, 1] or [P, C]."""
    target, mask = (column.reshape(len(column), -1) for column in targets)
    known = mask[pairs.first] & mask[pairs.second]
    distance = np.abs(target[pairs.first].astype(np.float64) - target[pairs.second])
    deviations = np.ma.array(target, mask=~mask).std(axis=0).filled(0) if task.kind == "regression" else 0
    return known & (distance > _TOLERANCE * deviations)


def _describe(targets: Targets, task: Task, first: int, second: int) -> str:
    """The labels of two pictures that differ, in words."""
    (a, b), (known, also) = (column[[first, second]].reshape(2, -1) for column in targets)
    if task.is_single_label:
        return f"{task.classes[a[0]]} / {task.classes[b[0]]}"
    differ = np.flatnonzero(known & also & (a != b))
    words = [f"{task.classes[index]}: {a[index]:g} / {b[index]:g}" for index in differ[:_MAX_LABELS]]
    return ", ".join(words) + (f" and {len(differ) - _MAX_LABELS} more" if len(differ) > _MAX_LABELS else "")
