"""How often each training sample is drawn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...config.sampling import RareLabels
from ...core.tasks import Task
from ..labels.reader import Targets


def weights(sampler: RareLabels | None, tasks: Mapping[str, Task], targets: Mapping[str, Targets]) -> np.ndarray | None:
    """The weight of each sample, float64 [N] from 1 to `max_weight`; None where each comes once.

    It is (1 / share)^power of the rarest class or label that a sample carries; the share is that of the positives
    among the rows where the label is known. A sample without any has 1.
    """
    if sampler is None:
        return None
    names = [n for n, task in tasks.items() if task.kind != "regression" and sampler.task in (None, n)]
    shares = np.min([_rarest_share(*targets[name], tasks[name].num_outputs) for name in names], axis=0)
    return np.minimum(shares**-sampler.power, sampler.max_weight)


def _rarest_share(target: np.ndarray, mask: np.ndarray, num_outputs: int) -> np.ndarray:
    """Of each sample's rarest class or label, and 1 where it carries none: float64 [N]."""
    if target.ndim == 1:
        counts = np.bincount(target[mask], minlength=num_outputs)
        return np.where(mask, (np.maximum(counts, 1) / max(counts.sum(), 1))[target], 1.0)
    positive = (target == 1) & mask
    share = np.maximum(positive.sum(axis=0), 1) / np.maximum(mask.sum(axis=0), 1)
    return np.where(positive, share, 1.0).min(axis=1)
