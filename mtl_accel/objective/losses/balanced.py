"""Class weights and positive weights for "balanced", from the labels of the training split."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...config.sections.losses import BCE, Loss
from ...config.sections.tasks import TaskConfig
from ...core.errors import UserError
from ...core.tasks import Task

Labels = tuple[np.ndarray, np.ndarray]  # target and mask, as data.labels.Targets has them


def resolve_balanced(
    configs: Mapping[str, TaskConfig], tasks: Mapping[str, Task], targets: Mapping[str, Labels]
) -> dict[str, Loss]:
    """Put numbers in place of "balanced" in each task's section; it stays a section, so that JSON can hold it.

    Args:
        targets: of the training split, by task.

    Raises:
        UserError: a list of weights is not as long as the task has classes or labels.
    """
    problems = [problem for name, task in tasks.items() for problem in _problems(configs[name].loss, task)]
    if problems:
        raise UserError(problems)
    return {name: _resolved(configs[name].loss, task, *targets[name]) for name, task in tasks.items()}


def _problems(section: Loss, task: Task) -> list[str]:
    found = []
    for key in ("class_weights", "pos_weight"):
        given = getattr(section, key, None)
        if isinstance(given, tuple) and len(given) != len(task.classes):
            found.append(
                f"tasks.{task.name}.loss.{key}: has {len(given)} numbers, and the task has {len(task.classes)} "
                f"({', '.join(task.classes)}); give one for each, in this order"
            )
    return found


def _resolved(section: Loss, task: Task, target: np.ndarray, mask: np.ndarray) -> Loss:
    if getattr(section, "class_weights", None) == "balanced":
        weights = class_weights(target, mask, len(task.classes))
        return section.model_copy(update={"class_weights": tuple(weights.tolist())})
    if getattr(section, "pos_weight", None) == "balanced":
        largest = getattr(section, "max_pos_weight", BCE.model_fields["max_pos_weight"].default)
        weights = pos_weight(target, mask, largest)
        return section.model_copy(update={"pos_weight": tuple(weights.tolist())})
    return section


def class_weights(target: np.ndarray, mask: np.ndarray, num_classes: int) -> np.ndarray:
    """scikit-learn's "balanced" over the classes that have a sample; 0 for one that has none: float64 [C].

    Their mean over the labelled samples is 1, so the loss keeps its scale.
    """
    counts = np.bincount(target[mask], minlength=num_classes)
    balanced = counts.sum() / (max(np.count_nonzero(counts), 1) * np.maximum(counts, 1))
    return np.where(counts > 0, balanced, 0.0)


def pos_weight(target: np.ndarray, mask: np.ndarray, largest: float) -> np.ndarray:
    """Negatives divided by positives of each label, between 1 / largest and largest: float64 [C].

    A label without positives has the largest, one without negatives the smallest, and one without both has 1.
    """
    positives = ((target == 1) & mask).sum(axis=0)
    negatives = mask.sum(axis=0) - positives
    ratio = np.where(positives > 0, negatives / np.maximum(positives, 1), largest)
    return np.where(positives + negatives > 0, np.clip(ratio, 1 / largest, largest), 1.0)
