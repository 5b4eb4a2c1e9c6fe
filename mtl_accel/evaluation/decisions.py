"""The ways to decide on probabilities, by the names that figures have."""

from __future__ import annotations

from ..metrics import thresholds

LARGEST = "largest"  # the class of the largest probability
MEDIAN = "median"  # the median of ordered classes
HALF = f"at_{thresholds.DEFAULT_THRESHOLD}"
CROSS_FITTED = "cross_fitted"  # thresholds fitted on other rows of the split
STORED = "stored_thresholds"  # the model's own, fitted on another split


def metric_suffix(decision: str) -> str:
    """Suffix of a metric's name: none for the decisions that training logs."""
    return "" if decision in (LARGEST, MEDIAN, HALF) else f"_{decision}"
