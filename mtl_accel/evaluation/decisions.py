"""The ways in which probabilities become answers, by the names that figures have."""

from __future__ import annotations

from ..metrics import thresholds

LARGEST = "largest"  # the class of the largest probability
HALF = f"at_{thresholds.DEFAULT}"
CROSS_FITTED = "cross_fitted"  # thresholds fitted on other rows of the split
STORED = "stored_thresholds"  # the model's own, fitted on another split


def suffix(decision: str) -> str:
    """What a metric's name has behind it: nothing where it is the one that training logs."""
    return "" if decision in (LARGEST, HALF) else f"_{decision}"
