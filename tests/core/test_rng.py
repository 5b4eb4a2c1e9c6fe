"""Keyed random numbers: good statistics, no collisions, streams that do not meet, and values that never change."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mtl_accel.core import rng

PURPOSES = (
    rng.ORDER,
    rng.AUGMENT,
    rng.MODULE,
    rng.INITIAL,
    rng.HOLDOUT,
    rng.FOLDS,
    rng.RESAMPLES,
    rng.SEARCH,
    rng.MIX,
)
integers = st.integers(-(2**63), 2**63 - 1)
COUNT = 100_000
KEYS = {
    "counter": (0, rng.AUGMENT, 1, np.arange(COUNT), 2),
    "epoch": (0, rng.AUGMENT, np.arange(COUNT), 5, 2),
    "seed": (np.arange(COUNT), rng.AUGMENT, 0, 5, 2),
    "multiples of 2**32": (0, rng.AUGMENT, 0, np.arange(COUNT) << 32, 2),
    "negative": (0, rng.AUGMENT, 0, -np.arange(COUNT), 2),
    "only": (np.arange(COUNT),),
}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_numbers_are_uniform(key: tuple[int | np.ndarray, ...]) -> None:
    numbers = rng.uniforms(1, *key)[:, 0]
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_each_bit_is_set_half_of_the_time(key: tuple[int | np.ndarray, ...]) -> None:
    bits = np.unpackbits(rng.random_bits(*key)[:, None].view(np.uint8), axis=1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 5 * 0.5 / COUNT**0.5


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_neighbours_are_not_correlated(key: tuple[int | np.ndarray, ...]) -> None:
    numbers = rng.uniforms(2, *key)
    for first, second in ((numbers[:, 0], numbers[:, 1]), (numbers[1:, 0], numbers[:-1, 0])):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / COUNT**0.5


@pytest.mark.parametrize("place", range(4))
def test_one_flipped_bit_of_the_key_flips_half_of_the_bits(place: int) -> None:
    key: list[int | np.ndarray] = [3, rng.AUGMENT, 7, np.arange(2000)]
    before = rng.random_bits(*key)
    for bit in range(0, 63, 7):
        flipped = list(key)
        flipped[place] = np.asarray(key[place]) ^ (1 << bit)
        changed = np.unpackbits((before ^ rng.random_bits(*flipped))[:, None].view(np.uint8), axis=1)
        # The fixed parts alone differ in one way only, so the mean over 64 bits of one word is a coarse measure.
        assert 0.45 < changed.mean() < 0.55


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_keys_that_differ_in_one_part_never_collide(key: tuple[int | np.ndarray, ...]) -> None:
    assert len(np.unique(rng.random_bits(*key))) == COUNT


def test_a_grid_of_small_keys_has_no_collision() -> None:
    seed, purpose, epoch, sample = np.ogrid[:6, 1:6, :40, :250]
    assert len(np.unique(rng.random_bits(seed, purpose, epoch, sample))) == 6 * 5 * 40 * 250


def test_purposes_are_distinct() -> None:
    assert len(set(PURPOSES)) == len(PURPOSES)


def test_streams_of_purposes_seeds_and_epochs_are_independent() -> None:
    streams = [
        rng.uniforms(COUNT, seed, purpose, epoch) for seed in (0, 1) for purpose in PURPOSES[:3] for epoch in (0, 1)
    ]
    for first, second in itertools.combinations(streams, 2):
        assert abs(np.corrcoef(first, second)[0, 1]) < 5 / COUNT**0.5


def test_the_order_of_a_keys_parts_matters() -> None:
    assert rng.random_bits(1, 2) != rng.random_bits(2, 1)
    assert rng.random_bits(0) != rng.random_bits(0, 0)


@given(st.lists(integers, min_size=1, max_size=5), integers)
def test_a_scalar_key_and_an_array_key_agree(key: list[int], last: int) -> None:
    array = rng.random_bits(*key, np.array([last, 0, last]))
    assert int(rng.random_bits(*key, last)) == array[0] == array[2]
    assert np.array_equal(rng.uniforms(3, *key, last), rng.uniforms(3, *key, np.array([0, last]))[1])


@given(st.lists(integers, min_size=1, max_size=5))
def test_a_seed_suits_torch(key: list[int]) -> None:
    assert 0 <= rng.seed_of(*key) < 2**63


def test_more_numbers_begin_with_the_same() -> None:
    key = (1, rng.AUGMENT, np.arange(9))
    assert np.array_equal(rng.uniforms(7, *key)[:, :3], rng.uniforms(3, *key))


def test_the_shape_is_the_keys_and_the_count() -> None:
    assert rng.random_bits(1, np.zeros((4, 1), int), np.zeros(5, int)).shape == (4, 5)
    assert rng.uniforms(3, 1, np.zeros(4, int)).shape == (4, 3)
    assert rng.uniforms(3, 1, 2).shape == (3,)
    assert rng.uniforms(0, 1, np.zeros(4, int)).shape == (4, 0)


def test_the_numbers_are_known_for_good() -> None:
    # A run of today must be repeated by the library of tomorrow: these change with no version.
    assert tuple(range(1, 10)) == PURPOSES
    words = rng.random_bits(np.array([0, 0, 1, -1]), np.array([0, 1, 0, 2**62]))
    assert words.tolist() == [0xD967AA606BA66EC5, 0xAD9DFF2771F14850, 0x97442CB81E6D16D5, 0xA42B5F312D419F8F]
    assert rng.random_bits(np.array([0])).tolist() == [0x7D91D4C3FE86F0DE]
    assert rng.uniforms(2, 7, rng.AUGMENT, 2, np.array([41])).tolist() == [[0.5867943120927217, 0.49195498795723813]]
