"""Every optimizer resumes exactly from what a checkpoint holds of it."""

from __future__ import annotations

import json

import pytest
import torch
from optimizer_cases import installed_optimizers, optimizer_of

from mtl_accel.training.state import load_optimizer_state, optimizer_state

OPTIMIZER_CASES = [
    *((name, {}) for name in installed_optimizers()),
    ("Adam", {"amsgrad": True, "betas": [0.8, 0.99]}),
    ("AdamW", {"weight_decay": 0.04}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("Adafactor", {"weight_decay": 0.1}),
    ("timm/adafactor", {"min_dim_size_to_factor": 4}),
    ("timm/lion", {"weight_decay": 0.1, "betas": [0.8, 0.9]}),
]


def take_steps(optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        for index, parameter in enumerate(optimizer.param_groups[0]["params"]):
            numbers = torch.Generator().manual_seed(100 * step + index)
            parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=numbers))
        optimizer.step()


@pytest.mark.parametrize(("name", "knobs"), OPTIMIZER_CASES)
@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("done", [0, 3])
def test_an_optimizer_goes_on_to_the_same_bits_after_a_trip_through_json(name, knobs, channels_last, done):
    whole, first, second = (optimizer_of(name, **knobs) for _ in range(3))
    if channels_last:
        for optimizer in (whole, first, second):
            parameter = optimizer.param_groups[0]["params"][0]
            parameter.data = parameter.data.to(memory_format=torch.channels_last)
    take_steps(whole, range(6))
    take_steps(first, range(done))
    tensors, plain = optimizer_state(first)
    tensors = {key: value.contiguous().clone() for key, value in tensors.items()}  # as safetensors gives them back
    load_optimizer_state(second, tensors, json.loads(json.dumps(plain)))
    for here, there in zip(first.param_groups[0]["params"], second.param_groups[0]["params"], strict=True):
        there.data.copy_(here.data)
    take_steps(second, range(done, 6))
    for expected, found in zip(whole.param_groups[0]["params"], second.param_groups[0]["params"], strict=True):
        assert torch.equal(expected, found)
    assert second.state_dict()["param_groups"] == whole.state_dict()["param_groups"]


def test_a_tensor_that_no_sum_over_its_parameter_is_refused():
    optimizer = optimizer_of("Adafactor")
    take_steps(optimizer, range(1))
    tensors, plain = optimizer_state(optimizer)
    for key, shape in (("0.row_var", (4, 3, 2, 3)), ("1.col_var", (3, 18)), ("2.variance", (1,))):
        with pytest.raises(ValueError, match=rf"{key.partition('.')[2]} is .* for a parameter of"):
            load_optimizer_state(optimizer_of("Adafactor"), {**tensors, key: torch.zeros(shape)}, plain)
