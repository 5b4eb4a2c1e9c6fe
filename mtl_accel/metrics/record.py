"""The record of a metric: all that the project knows of it stands here, and everything else is derived from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# (predictions, target, mask, sample_weight) to the value: float64, one number without weights, and [R] with weights of
# the rows [R, N]. The file of each kind of task says what its arrays hold.
Function = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]


@dataclass(frozen=True)
class Metric:
    """A metric of one kind of task.

    Attributes:
        name: in logs and configs, behind the task's: "category/accuracy".
        title: in figures, tables and the report.
        short_name: in the log block of an epoch.
        meaning: one sentence, for the documentation.
        function: computes it. NaN where nothing is labelled.
        lower_is_better: whether a smaller value is the better one.
        uses_decisions: of a multilabel task, whether `function` gets decisions, bool [N, C], in place of
            probabilities, and so depends on the thresholds.
    """

    name: str
    title: str
    short_name: str
    meaning: str
    function: Function
    lower_is_better: bool = False
    uses_decisions: bool = False
