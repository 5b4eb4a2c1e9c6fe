"""A measured step: what it says grows with the pictures, and it draws no number that others wait for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from mtl_accel.core.errors import UserError
from mtl_accel.core.tasks import Task
from mtl_accel.models import build_pair
from mtl_accel.preflight.diagnosis.measurement import measure_step

TASKS = {"category": Task("category", "multiclass", ("category",), ("coat", "dress"), "accuracy")}


def test_memory_of_a_picture_grows_with_its_pixels_and_that_of_the_weights_does_not(photos: Callable[..., Any]) -> None:
    config = photos(2, 2).config()
    before = torch.random.get_rng_state()
    small, large = (measure_step(config, TASKS, (side, side)) for side in (32, 64))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert 3.5 < large.bytes_per_image / small.bytes_per_image < 4.1
    weights = sum(p.numel() for p in build_pair(config.model, {"category": 2}, None).parameters())
    assert small.state_bytes == large.state_bytes == 4 * 4 * weights  # float32: weights, gradients, two states of Adam
    assert small.num_steps >= 1


def test_a_network_that_cannot_be_built_is_an_error_of_the_user(photos: Callable[..., Any]) -> None:
    config = photos(2, 2).config()
    model = config.model.model_copy(update={"name": "timm_linear", "backbone": "no"})
    wrong = config.model_copy(update={"model": model})
    with pytest.raises(UserError):
        measure_step(wrong, TASKS, (32, 32))
