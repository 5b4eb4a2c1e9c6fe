"""The scale of a regression task: what the network learns, and the way back to the column's unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mtl_accel.core.tasks import Scale, Task


@given(
    arrays.arrays(np.float64, st.tuples(st.integers(1, 20), st.integers(1, 3)), elements=st.floats(0, 1e9)),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_restored_values_are_those_that_were_standardised(values, log1p, numbers):
    mask = np.array([[numbers.random() < 0.7 for _ in row] for row in values])
    scale = Scale.fit(values, mask, log1p=log1p)
    learned = ((np.log1p(values) if log1p else values) - np.array(scale.mean)) / np.array(scale.std)
    for column in range(values.shape[1]):
        known = learned[mask[:, column], column]
        if len(set(values[mask[:, column], column])) > 1 and known.std() > 1e-6:
            assert known.mean() == pytest.approx(0, abs=1e-6) and known.std() == pytest.approx(1, rel=1e-6)
    assert np.allclose(scale.restore(learned), values, rtol=1e-6, atol=1e-6 * (1 + np.abs(values).max()))


def test_a_column_of_one_number_and_one_without_numbers_have_a_scale_of_one():
    target = np.array([[5.0, 0.0], [5.0, 0.0]])
    assert Scale.fit(target, np.array([[True, False]] * 2)) == Scale((5.0, 0.0), (1.0, 1.0))


def test_the_unit_scale_changes_nothing():
    values = np.array([[-1.0, 2e9]])
    assert np.array_equal(Scale.unit(2).restore(values), values)
    assert Scale.unit(1, log1p=True).restore(np.log1p([[41.0]])) == pytest.approx(41)


def test_a_task_gives_values_in_its_unit():
    columns = ("price",)
    task = Task("price", "regression", columns, columns, "r2", scale=Scale((250_000.0,), (80_000.0,)))
    assert task.probabilities(np.array([[0.5]], np.float32)).tolist() == [[290_000.0]]
