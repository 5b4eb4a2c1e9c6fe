"""The hold-out is stratified, of the asked size, and a function of ids, strata and seed alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtl_accel.core.errors import UserError
from mtl_accel.data.labels import holdout

fractions = st.floats(0.05, 0.95)
labels = st.lists(st.sampled_from(["a", "b", "c", "rare", None, ("x", 1)]), min_size=2, max_size=200)


def _possible(fraction: float, count: int) -> bool:
    return 0 < round(fraction * count) < count


def _held_out(strata, fraction, seed=0):
    ids = [f"{index}.jpg" for index in range(len(strata))]
    return ids, holdout.choose_rows(ids, strata, fraction, seed)


@given(labels, fractions, st.integers(0, 2**40))
def test_the_size_is_exact_and_each_stratum_within_one_of_its_share(strata, fraction, seed):
    if not _possible(fraction, len(strata)):
        return
    _, mask = _held_out(strata, fraction, seed)
    count = round(fraction * len(strata))
    assert mask.dtype == bool and mask.sum() == count
    taken = Counter(stratum for stratum, held in zip(strata, mask, strict=True) if held)
    for stratum, size in Counter(strata).items():
        assert abs(taken[stratum] - size * count / len(strata)) < 1


@given(labels, fractions, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(strata, fraction, random):
    if not _possible(fraction, len(strata)):
        return
    ids, mask = _held_out(strata, fraction)
    order = list(range(len(strata)))
    random.shuffle(order)
    shuffled = holdout.choose_rows([ids[i] for i in order], [strata[i] for i in order], fraction, 0)
    assert {ids[i] for i in np.flatnonzero(mask)} == {ids[order[i]] for i in np.flatnonzero(shuffled)}


def test_another_seed_holds_out_other_rows():
    strata = ["a", "b"] * 50
    masks = [_held_out(strata, 0.2, seed)[1] for seed in range(5)]
    assert len({mask.tobytes() for mask in masks}) == 5


def test_strata_may_be_an_array():
    strata = np.arange(100) % 4
    assert (_held_out(strata, 0.12)[1] == _held_out(strata.tolist(), 0.12)[1]).all()


def test_strata_of_one_row_each_still_give_the_share():
    assert _held_out([f"class {index}" for index in range(100)], 0.12)[1].sum() == 12


def test_every_row_is_held_out_equally_often():
    counts = sum(_held_out(["a"] * 7 + ["b"] * 13, 0.25, seed)[1].astype(int) for seed in range(2000))
    assert (np.abs(counts / 2000 - 0.25) < 0.05).all()


@pytest.mark.parametrize("fraction", [0.01, 0.99])
def test_a_fraction_that_empties_a_split_is_an_error(fraction):
    with pytest.raises(UserError, match=r"data\.validation_fraction: .* of 10 training images"):
        _held_out(["a"] * 10, fraction)
