"""How many labels or classes enter a mean over them: a split may lack some, and a metric may leave those out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import MAX_LISTED


@dataclass(frozen=True)
class Coverage:
    """The labels or classes of a task in a split.

    Attributes:
        kind: of the task.
        classes: names of all of them.
        labelled: bool [C], whether any row says yes or no.
        positive: bool [C], whether any row says yes.
    """

    kind: str
    classes: Sequence[str]
    labelled: np.ndarray
    positive: np.ndarray

    @classmethod
    def of(cls, kind: str, classes: Sequence[str], target: np.ndarray, mask: np.ndarray) -> Coverage:
        """Look at a split; arrays as in `metrics.compute`."""
        if kind == "multilabel":
            return cls(kind, classes, np.any(mask, axis=0), np.any(mask & (target == 1), axis=0))
        found = np.bincount(target[mask], minlength=len(classes)) > 0
        return cls(kind, classes, found, found)

    @property
    def num_in_mean(self) -> dict[str, int]:
        """Number of labels or classes that enter each metric which is a mean over them."""
        labelled, positive = int(self.labelled.sum()), int(self.positive.sum())
        means = {"multilabel": {"f1_macro": labelled, "map": positive}, "multiclass": {"balanced_accuracy": positive}}
        return means.get(self.kind, {})

    @property
    def without_positive(self) -> list[str]:
        """Names of those that no row of the split has."""
        return [name for name, found in zip(self.classes, self.positive, strict=True) if not found]

    def describe(self, split: str) -> str | None:
        """Say what the means are over; None where every label and class has a positive."""
        return describe_means(self.kind, self.num_in_mean, len(self.classes), self.without_positive, split)


def describe_means(
    kind: str, num_in_mean: Mapping[str, int], total: int, without_positive: Sequence[str], split: str
) -> str | None:
    """Say how many labels or classes enter each mean over them; None where all of them have a positive.

    Such as: "f1_macro over 15 of 15 labels, map over 13 of 15 labels; 2 have no positive in validation (F1 0 where
    labelled): 'a', 'b'".
    """
    if not without_positive or not num_in_mean:
        return None
    what, lack = ("labels", "no positive") if kind == "multilabel" else ("classes", "no image")
    counts = ", ".join(f"{name} over {number} of {total} {what}" for name, number in num_in_mean.items())
    verb, rest = "has" if len(without_positive) == 1 else "have", len(without_positive) - MAX_LISTED
    shown = ", ".join(map(repr, without_positive[:MAX_LISTED])) + (f" and {rest} more" if rest > 0 else "")
    zero = " (F1 0 where labelled)" if kind == "multilabel" else ""
    return f"{counts}; {len(without_positive)} {verb} {lack} in {split}{zero}: {shown}"
