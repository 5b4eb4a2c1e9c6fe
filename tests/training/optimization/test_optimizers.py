"""Every optimizer that a config may name can be built."""

from __future__ import annotations

from typing import get_args

from mtl_accel.config.sections.optimization import Optimizer
from mtl_accel.training.optimization.optimizers import OPTIMIZERS


def test_every_optimizer_of_the_config_can_be_built():
    names = {get_args(member.model_fields["name"].annotation)[0] for member in get_args(get_args(Optimizer)[0])}
    assert names == set(OPTIMIZERS)
