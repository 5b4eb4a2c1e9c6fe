"""Iterative stratification: each class and label by itself is in proportion, rare ones and all tasks together."""

from __future__ import annotations

import datasets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtl_accel.config.sections.data import DataConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels import holdout

NUM_ROWS = 600
RATES = np.geomspace(0.3, 0.01, 12)


def table_of(seed: int) -> tuple[datasets.Dataset, list[np.ndarray]]:
    """Ids and groups of five rows each; strata of a task of classes and of one of labels, the last ones rare."""
    numbers = np.random.default_rng(seed)
    columns = {
        "id": [f"{row}.png" for row in range(NUM_ROWS)],
        "garment": [f"g{row // 5}" for row in range(NUM_ROWS)],
    }
    classes = numbers.choice(4, size=(NUM_ROWS, 1), p=[0.5, 0.3, 0.15, 0.05]).astype(np.int32)
    labels = (numbers.random((NUM_ROWS, len(RATES))) < RATES).astype(np.int32)
    labels[numbers.random(labels.shape) < 0.1] = -1
    return datasets.Dataset.from_dict(columns), [classes, labels]


def deviations(strata: list[np.ndarray], held_out: np.ndarray, share: float) -> np.ndarray:
    """How far each class and label is from its share of the rows, as a part of the share."""
    has = np.concatenate([strata[0] == np.arange(4), strata[1] == 1], axis=1)
    count = has.sum(axis=0)
    return np.abs(has[held_out].sum(axis=0) - share * count) / (share * count)


@pytest.mark.parametrize(("knobs", "share"), [({"validation_fraction": 0.12}, 0.12), ({"folds": 5, "fold": 2}, 0.2)])
def test_rare_labels_are_nearer_to_their_share_than_by_whole_sets(knobs, share):
    means: dict[str, list[float]] = {"sets": [], "labels": []}
    for seed in range(5):
        table, strata = table_of(seed)
        for stratify, found in means.items():
            held_out = holdout.choose_validation(table, strata, DataConfig(stratify=stratify, **knobs))
            assert abs(held_out.sum() - share * NUM_ROWS) <= 3
            found.append(deviations(strata, held_out, share).mean())
    assert np.mean(means["labels"]) < np.mean(means["sets"]) / 2


def test_each_row_is_held_out_in_one_fold_and_no_group_is_on_both_sides():
    table, strata = table_of(0)
    garments = np.array(table["garment"][:])
    for group_column in (None, "garment"):
        knobs = {"stratify": "labels", "folds": 4, "group_column": group_column}
        held_out = [holdout.choose_validation(table, strata, DataConfig(fold=fold, **knobs)) for fold in range(4)]
        assert (np.sum(held_out, axis=0) == 1).all()
        if group_column is not None:
            assert not any(set(garments[rows]) & set(garments[~rows]) for rows in held_out)
            assert np.mean([deviations(strata, rows, 0.25).mean() for rows in held_out]) < 0.25


@settings(max_examples=10)
@given(st.randoms(use_true_random=False), st.integers(0, 3))
def test_the_order_of_the_rows_does_not_matter_and_the_seed_does(random, seed):
    table, strata = table_of(0)
    order = list(range(60))
    ids = table["id"][:60]
    random.shuffle(order)

    def held_out(rows: list[int], seed: int) -> set[str]:
        folds = holdout.label_folds([ids[r] for r in rows], [s[rows] for s in strata], None, [0.2, 0.8], seed)
        return {ids[row] for row, fold in zip(rows, folds, strict=True) if fold == 0}

    assert held_out(order, seed) == held_out(list(range(60)), seed) != held_out(order, seed + 1)


def test_parts_that_would_be_empty_are_an_error():
    with pytest.raises(UserError, match=r"data\.stratify: .* one of the 2 parts would be empty"):
        holdout.label_folds(["a", "b", "c"], [np.zeros((3, 1), np.int32)], None, [0.01, 0.99], 0)
    with pytest.raises(UserError, match=r"data\.stratify: 3 rows or groups cannot be dealt to 4 folds"):
        holdout.label_folds(["a", "b", "c"], [np.zeros((3, 1), np.int32)], None, [0.25] * 4, 0)
