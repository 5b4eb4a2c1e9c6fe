"""What is suspicious in labels although every cell is valid is said in a line; of healthy labels nothing is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mtl_accel.core.tasks import Task
from mtl_accel.data.labels.dataset import LabeledDataset
from mtl_accel.data.labels.label_checks import coverage_lines, label_warnings, normalized_name, start_lines
from mtl_accel.data.labels.reader import Targets

NUM_ROWS = 12


def multiclass(classes: tuple[str, ...], train: list[int], validation: list[int]) -> tuple[Task, dict[str, Targets]]:
    task = Task("kind", "multiclass", ("kind",), classes, "accuracy")
    splits = {"train": np.array(train), "validation": np.array(validation)}
    return task, {name: Targets(np.maximum(t, 0), t >= 0) for name, t in splits.items()}


def columns(kind: Any, train: list[list[float]], validation: list[list[float]]) -> tuple[Task, dict[str, Targets]]:
    """-1: no label. Labels a, b, c."""
    names = ("a", "b", "c")[: len(train[0])]
    task = Task("tags", kind, names, names, "f1_macro")
    splits = {"train": np.array(train, np.float32), "validation": np.array(validation, np.float32)}
    return task, {name: Targets(np.maximum(t, 0), t >= 0) for name, t in splits.items()}


def warnings(task: Task, targets: dict[str, Targets]) -> list[str]:
    by_split = {split: {task.name: t} for split, t in targets.items()}
    return label_warnings(LabeledDataset({}, {task.name: task}, by_split, ""))


HALF = [[0.0, 1.0], [1.0, 0.0]] * (NUM_ROWS // 2)
CASES = {
    "healthy classes": (multiclass(("x", "y"), [0, 0, 1, 1], [0, 1]), []),
    "healthy labels": (columns("multilabel", HALF, HALF), []),
    "one class": (multiclass(("x", "y"), [0, 0, -1], [0]), ["every training row has the class 'x'"]),
    "unseen class": (multiclass(("x", "y", "z"), [0, 1, 0, 1], [0, 2]), ["no training row has: 'z'"]),
    "absent class": (multiclass(("x", "y", "z"), [0, 1, 0, 1], [0]), ["no training row has 'z'"]),
    "numbers as classes": (multiclass(tuple("abcde"), [0, 1, 2, 3, 4], [0]), ["5 of 5 classes have one training row"]),
    "spellings": (
        multiclass(("T-shirt", "t shirt", "café", "Cafe\u0301", "dress"), [0, 1, 2, 3, 4] * 2, [0]),
        ["'T-shirt' and 't shirt' differ", "'café' and 'Café' differ"],
    ),
    "no 1 and no 0": (
        columns("multilabel", [[0, 1, 0], [0, 1, 1]], [[0, 0, 1]]),
        ["no training row has a 1 for 'a'", "no training row has a 0 for 'b'"],
    ),
    "unseen label": (
        columns("multilabel", [[0, 1], [0, 0]], [[1, 0]]),
        ["validation has a 1 for labels that no training row has: 'a'"],
    ),
    "equal labels": (
        columns("multilabel", [[1, 1, 0], [0, 0, 1]] * 6, [[0, 0, 0]]),
        ["'a', 'b' have the same label in every training row"],
    ),
    "a constant number": (
        columns("regression", [[3.0, 1.0], [3.0, 2.0]], [[1.0, 1.0]]),
        ["every training row has 3 in a"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_suspicious_is_said_and_nothing_else(name: str) -> None:
    (task, targets), expected = CASES[name]
    found = warnings(task, targets)
    assert len(found) == len(expected), found
    assert all(words in line.replace("e\u0301", "é") for words, line in zip(expected, found, strict=True))


@pytest.mark.parametrize("name", ["1.0", "+", "--", "日本", "C", "ñ"])
def test_no_name_is_emptied(name: str) -> None:
    assert normalized_name(name)


def test_names_of_signs_and_numbers_stay_apart() -> None:
    assert len({normalized_name(name) for name in ("+", "-", "1", "10", "C")}) == 5


def test_the_start_says_what_the_metrics_of_validation_are_means_of() -> None:
    parts = [
        multiclass(("x", "y"), [0, 1], [0]),
        columns("multilabel", HALF, [[1.0, 0.0]]),
        columns("regression", HALF, HALF),
    ]
    tasks = {f"task{number}": task for number, (task, _) in enumerate(parts)}
    targets = {"validation": {f"task{number}": splits["validation"] for number, (_, splits) in enumerate(parts)}}
    assert list(coverage_lines(LabeledDataset({}, tasks, targets, ""))) == [
        "task0: balanced_accuracy over 1 of 2 classes; 1 has no image in validation: 'y'",
        "task1: f1_macro over 2 of 2 labels, map over 1 of 2 labels; "
        "1 has no positive in validation (F1 0 where labelled): 'b'",
    ]
    healthy = {"task1": columns("multilabel", HALF, HALF)[1]["validation"]}
    assert list(coverage_lines(LabeledDataset({}, tasks, {"validation": healthy}, ""))) == []


def test_a_run_s_log_begins_with_a_few_lines_at_most() -> None:
    names = tuple(f"{letter}{end}" for letter in "abcdefghij" for end in ("x", "X"))
    task, targets = multiclass(names, list(range(20)) * 2, [0])
    lines = start_lines(LabeledDataset({}, {"kind": task}, {s: {"kind": t} for s, t in targets.items()}, ""))
    assert len(lines) == 6
    assert lines[0].startswith("warning: kind: 'ax' and 'aX' differ")
    assert lines[-1] == "... and 5 more: mtl-accel doctor shows all"
