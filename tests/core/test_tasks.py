"""Probabilities of ordered classes, and the class that is predicted of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from loss_cases import proportional_odds

from mtl_accel.config.knobs import sections_in
from mtl_accel.config.sections.losses import OrdinalLoss
from mtl_accel.core.tasks import Link, median_class, ordinal_probabilities
from mtl_accel.objective.losses.ordinal import LOG_PROBABILITIES

LINKS: list[Link] = ["cumulative", "conditional"]
OUTPUTS = st.integers(1, 6).flatmap(
    lambda n: arrays.arrays(np.float64, (3, n), elements=st.floats(-300, 300, allow_subnormal=False))
)


def test_every_loss_of_ordered_classes_says_what_outputs_mean():
    assert {section.link for section in sections_in(OrdinalLoss)} == set(LINKS) == LOG_PROBABILITIES.keys()


@pytest.mark.parametrize("link", LINKS)
@settings(max_examples=60)
@given(outputs=OUTPUTS)
def test_probabilities_are_a_distribution_whatever_the_outputs_and_those_of_the_loss(link, outputs):
    found = ordinal_probabilities(outputs, link)
    assert found.shape == (3, outputs.shape[1] + 1)
    assert (found >= 0).all() and found.sum(axis=1) == pytest.approx(np.ones(3))
    of_the_loss = LOG_PROBABILITIES[link](torch.from_numpy(outputs)).exp().numpy()
    assert found == pytest.approx(of_the_loss, abs=1e-9)


def test_the_cumulative_link_is_mccullagh_s_proportional_odds():
    outputs = np.random.default_rng(0).normal(size=(20, 4))
    expected = proportional_odds(torch.from_numpy(outputs)).numpy()
    assert ordinal_probabilities(outputs, "cumulative") == pytest.approx(expected, abs=1e-12)


def test_corn_predicts_by_the_rule_of_its_paper():
    outputs = np.random.default_rng(1).normal(size=(200, 4))
    exceeded = np.cumprod(1 / (1 + np.exp(-outputs)), axis=1)
    assert (median_class(ordinal_probabilities(outputs, "conditional")) == (exceeded > 0.5).sum(axis=1)).all()


def test_the_median_has_the_least_expected_absolute_error():
    probabilities = np.random.default_rng(2).dirichlet(np.ones(5), 100)
    ranks = np.arange(5)
    expected_error = probabilities @ np.abs(ranks[:, None] - ranks)
    assert (median_class(probabilities) == expected_error.argmin(axis=1)).all()
