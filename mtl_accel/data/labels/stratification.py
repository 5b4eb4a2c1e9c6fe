"""Iterative stratification: folds in which each class and each label by itself is in proportion.

Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (ECML PKDD 2011), Algorithm 1. Written
here because its only kept package, iterative-stratification, breaks ties by the order of the rows, knows no groups, and
is built on private parts of scikit-learn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def label_counts(strata: Sequence[np.ndarray], units: np.ndarray) -> np.ndarray:
    """Count the rows of each class and label in each unit: int64 [U, C]; the last column counts all rows.

    Args:
        strata: of each task, int32 [N, 1] of classes or [N, K] of labels 0 and 1; -1 where there is none.
        units: number of each row's unit, which stays whole: int64 [N].
    """
    columns: list[np.ndarray] = []
    for values in strata:
        names = np.arange(values.max() + 1) if values.shape[1] == 1 else np.ones(values.shape[1], np.int64)
        columns += [*(values == names).T, values.max(axis=1) >= 0]
    columns.append(np.ones(len(units), bool))
    counts = np.zeros((units.max() + 1, len(columns)), np.int64)
    for index, column in enumerate(columns):
        counts[:, index] = np.bincount(units, weights=column, minlength=len(counts))
    return counts


def iterative_folds(counts: np.ndarray, shares: Sequence[float], order: np.ndarray) -> np.ndarray:
    """Number of each unit's fold, int64 [U].

    The units with the rarest label are dealt first, each to the fold that lacks most of this label, or else of rows.

    Args:
        counts: as of `label_counts`, [U, C].
        shares: of the rows that each fold shall have, which add up to 1.
        order: of the units, a permutation [U], which decides between equals.
    """
    wanted = np.outer(shares, counts.sum(axis=0))
    remaining, folds = counts.sum(axis=0), np.full(len(counts), -1)
    while remaining[-1]:
        label = np.where(remaining > 0, remaining, np.iinfo(np.int64).max).argmin()
        units = order[(counts[order, label] > 0) & (folds[order] < 0)]
        # Large groups first: small ones then level what is left.
        for unit in units[np.argsort(-counts[units, label], kind="stable")]:
            fold = np.lexsort((-wanted[:, -1], -wanted[:, label]))[0]
            folds[unit] = fold
            wanted[fold] -= counts[unit]
        remaining -= counts[units].sum(axis=0)
    return folds
