"""Folds and groups: every row is held out once, no group is on both sides, and the order of rows does not matter."""

from __future__ import annotations

from collections import Counter

import datasets
import numpy as np
import pytest
import sklearn.model_selection  # noqa: F401 - else hypothesis times its import, which takes most of a second
from hypothesis import given
from hypothesis import strategies as st

from mtl_accel import config as config_module
from mtl_accel.config.saved import upgraded
from mtl_accel.config.sections.data import DataConfig
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels import holdout

SMALL = {
    "run_dir": "unused",
    "optimizer": {"name": "Adam"},
    "tasks": {"category": {"kind": "multiclass", "column": "category"}},
    "transforms": {n: [{"name": "Resize", "size": [8, 8]}, {"name": "Normalize"}] for n in ("train", "eval")},
}
strata = st.lists(st.integers(0, 4), min_size=12, max_size=80)


def chosen(classes: list[int], **knobs) -> np.ndarray:
    """Which rows are held out; their columns are id, fold (0 to 2 in turn) and group (of three rows each)."""
    size = len(classes)
    columns = {
        "id": [f"{row:03}.png" for row in range(size)],
        "fold": [str(row % 3) for row in range(size)],
        "group": [f"g{row // 3}" if row % 11 else None for row in range(size)],
    }
    return holdout.choose_validation(
        datasets.Dataset.from_dict(columns), [np.array(classes, np.int32)[:, None]], DataConfig(**knobs)
    )


@given(strata, st.integers(2, 5), st.integers(0, 9))
def test_every_row_is_held_out_in_one_fold_and_each_class_in_proportion(classes, num_folds, seed):
    held = [chosen(classes, folds=num_folds, fold=fold, split_seed=seed) for fold in range(num_folds)]
    assert (np.sum(held, axis=0) == 1).all()
    for rows in held:
        found = Counter(np.array(classes)[rows].tolist())
        assert all(abs(found[c] - n / num_folds) < 2 for c, n in Counter(classes).items())


@given(strata, st.integers(2, 4), st.integers(0, 9))
def test_no_group_is_on_both_sides_and_every_row_is_held_out_once(classes, num_folds, seed):
    held = [chosen(classes, folds=num_folds, fold=f, group_column="group", split_seed=seed) for f in range(num_folds)]
    assert (np.sum(held, axis=0) == 1).all()
    groups = np.array([f"g{row // 3}" if row % 11 else f"alone {row}" for row in range(len(classes))])
    for rows in held:
        assert not set(groups[rows]) & set(groups[~rows])


@given(st.permutations(range(30)), st.booleans())
def test_folds_do_not_depend_on_the_order_of_the_rows(order, grouped):
    ids, classes = [f"{row}.png" for row in range(30)], np.arange(30)[:, None] % 3
    groups = [f"g{row // 4}" for row in range(30)]

    def folds(rows: list[int]) -> dict[str, int]:
        names, ranks = [ids[row] for row in rows], classes[rows]
        if grouped:
            found = holdout.group_folds(names, ranks, [groups[row] for row in rows], 3, seed=1)
        else:
            found = holdout.row_folds(names, ranks, 3, seed=1)
        return dict(zip(names, found.tolist(), strict=True))

    assert folds(list(order)) == folds(list(range(30)))


def test_a_hold_out_of_groups_is_about_as_large_as_the_fraction():
    held = chosen([row % 3 for row in range(300)], group_column="group", validation_fraction=0.12)
    assert 0.08 < held.mean() < 0.17


def test_a_column_may_hold_the_folds():
    assert chosen([0] * 12, fold_column="fold", fold=2).tolist() == [False, False, True] * 4


def test_another_split_seed_holds_out_other_rows_and_another_seed_the_same():
    assert (chosen([0, 1] * 40) != chosen([0, 1] * 40, split_seed=1)).any()
    first, second = (config_module.validate({**SMALL, "seed": seed}, "c.json") for seed in (0, 1))
    assert first.data == second.data


def test_a_run_of_before_keeps_the_rows_that_its_seed_held_out():
    saved = config_module.validate({**SMALL, "seed": 7}, "c.json").model_dump(mode="json", by_alias=True)
    del saved["data"]["split_seed"]
    assert upgraded(saved)["data"]["split_seed"] == 7


def test_groups_in_both_splits_of_a_source_are_a_line_in_the_log():
    splits = {
        name: datasets.Dataset.from_dict({"id": [str(n) for n in range(len(groups))], "garment": groups})
        for name, groups in {"train": ["a", "b", None], "validation": ["b", None]}.items()
    }
    assert holdout.shared_groups(splits, "garment") == [
        "group_column: 1 of garment stand in train and in validation (b)"
    ]
    assert holdout.shared_groups({**splits, "validation": splits["validation"].select([1])}, "garment") == []


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"fold": 1}, r"data\.fold: goes with data\.folds or data\.fold_column"),
        ({"folds": 3}, r"data\.fold: goes with data\.folds or data\.fold_column"),
        ({"folds": 3, "fold": 3}, r"data\.fold: 3 is none of the folds 0 to 2"),
        ({"folds": 3, "fold": 1, "fold_column": "f"}, r"data\.folds: give either folds or fold_column"),
        ({"fold_column": "f", "fold": 1, "group_column": "g"}, r"data\.group_column: the folds of data\.fold_column"),
    ],
)
def test_knobs_that_do_not_go_together_are_named(knobs, problem):
    with pytest.raises(UserError, match=problem):
        config_module.validate({**SMALL, "data": knobs}, "c.json")


@pytest.mark.parametrize(
    ("knobs", "problem"),
    [
        ({"fold_column": "fold", "fold": 7}, r"data\.fold: 0 of 12 training rows have 7 in column 'fold'"),
        (
            {"fold_column": "part", "fold": 0},
            r"data\.fold_column: the table has no column 'part'; it has: id, fold, group",
        ),
        ({"group_column": "who"}, r"data\.group_column: the table has no column 'who'"),
        ({"group_column": "group", "folds": 9, "fold": 0}, r"data\.group_column: the training rows have \d groups"),
        ({"folds": 13, "fold": 0}, r"data\.folds: 13 folds of 12 training images leave one empty"),
    ],
)
def test_what_the_table_does_not_have_is_named(knobs, problem):
    with pytest.raises(UserError, match=problem):
        chosen([0] * 12, **knobs)
