"""Top-2 accuracy."""

import numpy as np

import mtl_accel


@mtl_accel.register_metric("top_2", kind="multiclass", title="top-2 accuracy", short_name="Top 2")
def top_2(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, sample_weight: np.ndarray | None) -> np.ndarray:
    """Share of the images whose class is among the two with the largest scores."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    right = (best == target[:, None]).any(axis=1) & mask
    weights = np.ones(len(mask)) if sample_weight is None else sample_weight
    with np.errstate(invalid="ignore"):  # nothing labelled: NaN
        return (weights * right).sum(axis=-1) / (weights * mask).sum(axis=-1)
