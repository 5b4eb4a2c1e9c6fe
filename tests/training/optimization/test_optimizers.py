"""Every optimizer that a config may name: the lists are complete, wrong arguments are told, and no two runs differ."""

from __future__ import annotations

import inspect
import json
from typing import get_args

import jsonschema
import pytest
import torch
from config_cases import small
from optimizer_cases import installed_optimizers, optimizer_of, parameters
from pydantic import TypeAdapter
from timm.optim import get_optimizer_class, get_optimizer_info, list_optimizers

from mtl_accel.config import help_text, json_schema, validate
from mtl_accel.config.sections.optimization import Optimizer
from mtl_accel.config.sections.optimizer_names import CANNOT_WORK, TimmOptimizerName, TorchOptimizerName
from mtl_accel.core.errors import UserError
from mtl_accel.training.optimization.optimizers import OPTIMIZERS, build_optimizer, check_optimizer, complete_momentum

TORCH, TIMM = get_args(TorchOptimizerName), get_args(TimmOptimizerName)
# Why an optimizer of timm cannot be named.
WITHOUT = {
    "a second derivative": {"adahessian"},
    "random numbers of its own, and state that is no tensor": {"kron", "kronc", "kronw"},
    "an older copy": {"adamwlegacy", "nadamlegacy", "radamlegacy"},
}


def section(**keys: object) -> Optimizer:
    return TypeAdapter(Optimizer).validate_python({"lr": 0.01, **keys})


def test_every_optimizer_of_the_installed_torch_is_ours_taken_or_cannot_work():
    there = {n for n, c in vars(torch.optim).items() if inspect.isclass(c) and issubclass(c, torch.optim.Optimizer)}
    assert there - {"Optimizer"} == {*OPTIMIZERS, *TORCH, *CANNOT_WORK}


def test_every_optimizer_of_the_installed_timm_is_taken_torch_s_own_or_cannot_work():
    def is_elsewhere(name: str) -> bool:
        """Whether it is torch's own, or needs a further package."""
        found = get_optimizer_info(name).opt_class
        return isinstance(found, str) or found.__module__.startswith("torch.")

    expected = {f"timm/{name}" for name in list_optimizers() if not is_elsewhere(name)}
    assert expected - set(TIMM) <= {f"timm/{name}" for names in WITHOUT.values() for name in names}
    assert list(TIMM) == sorted(TIMM) and list(TORCH) == sorted(TORCH)


@pytest.mark.parametrize("name", installed_optimizers())
def test_an_optimizer_is_the_library_s_own_with_the_rate_and_takes_groups(name):
    first, *others = parameters()
    # The first group is empty where every head has a rate of its own.
    groups = [{"params": []}, {"params": [first]}, {"params": others, "lr": 0.001, "weight_decay": 0.0}]
    optimizer = build_optimizer(section(name=name), groups)
    library = get_optimizer_class(name[5:], bind_defaults=False) if name in TIMM else getattr(torch.optim, name)
    assert type(optimizer) is library
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.01, 0.001]
    assert optimizer.param_groups[2]["weight_decay"] == 0
    for parameter in (first, *others):
        parameter.grad = torch.ones_like(parameter)
    for _ in range(2):  # the first step of ADOPT is one of its moments alone
        optimizer.step()
    assert not torch.equal(first, parameters()[0])


@pytest.mark.parametrize("name", installed_optimizers())
def test_a_step_is_a_function_of_the_gradients_alone(name):
    # So processes with the same gradients keep the same weights, and no state of a generator has to be saved.
    ends, before = [], torch.get_rng_state()
    for seed in (1, 2):
        torch.manual_seed(seed)
        seeded, optimizer = torch.get_rng_state(), optimizer_of(name)
        for step in range(3):
            for parameter in optimizer.param_groups[0]["params"]:
                parameter.grad = torch.full_like(parameter, step - 0.5)
            optimizer.step()
        assert torch.equal(torch.get_rng_state(), seeded)
        ends.append([parameter.clone() for parameter in optimizer.param_groups[0]["params"]])
    torch.set_rng_state(before)
    assert all(torch.equal(*pair) for pair in zip(*ends, strict=True))
    assert not torch.equal(ends[0][0], parameters()[0])


@pytest.mark.parametrize("name", [*TORCH, *TIMM])
def test_a_name_is_accepted_with_any_arguments_fits_the_schema_and_loads_back(name):
    raw = small(optimizer={"name": name, "lr": 0.01, "alpha": [None, 0.5], "x": {"y": "z"}})
    config = validate(raw, "a.json")
    assert config.optimizer.arguments == {"alpha": [None, 0.5], "x": {"y": "z"}}
    resolved = json.loads(json.dumps(config.model_dump(mode="json", by_alias=True)))
    assert validate(resolved, "config.json") == config
    assert list(jsonschema.Draft202012Validator(json.loads(json_schema())).iter_errors(raw)) == []


def test_every_name_stands_in_the_help():
    text = " ".join(help_text("train.py", "Train.", {}).split())
    assert [name for name in (*TORCH, *TIMM) if f'"{name}"' not in text] == []


@pytest.mark.parametrize("name", [*TORCH, "timm/lion", "timm/lamb", "timm/muon"])
def test_arguments_reach_the_optimizer(name):
    config = section(name=name, **({"step_sizes": [1e-4, 1]} if name == "Rprop" else {"weight_decay": 0.25}))
    check_optimizer(config)
    (group,) = build_optimizer(config, parameters()).param_groups
    assert group["step_sizes"] == (1e-4, 1) if name == "Rprop" else group["weight_decay"] == 0.25


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"name": "RMSprop", "alhpa": 0.9}, ["optimizer.alhpa", "RMSprop", "got 0.9", "did you mean 'alpha'"]),
        ({"name": "RMSprop", "zzz": 1}, ["optimizer.zzz", "no such argument", "it has lr, alpha, eps, weight_decay"]),
        ({"name": "RMSprop", "alpha": -1}, ["optimizer: RMSprop", '"alpha": -1', "torch", "Invalid alpha"]),
        ({"name": "NAdam", "betas": "x"}, ["optimizer: NAdam", '"betas": "x"', "refused by torch"]),
        ({"name": "Rprop", "fused": True}, ["optimizer.fused", "chosen", "leave it out"]),
        ({"name": "Adagrad", "maximize": True}, ["optimizer.maximize", "loss", "leave it out"]),
        ({"name": "timm/lion", "eps": 1e-8}, ["optimizer.eps", "timm/lion", "no such argument"]),
        ({"name": "timm/lamb", "trust_clp": True}, ["optimizer.trust_clp", "did you mean 'trust_clip'"]),
        ({"name": "timm/lamb", "betas": [2, 3]}, ["optimizer: timm/lamb", "refused by timm"]),
    ],
)
def test_wrong_arguments_are_told_before_training(keys, parts):
    with pytest.raises(UserError) as caught:
        check_optimizer(section(**keys))
    (message,) = caught.value.problems
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("LBFGS", ["'LBFGS' is none of Adam, AdamW, SGD", "several times a step"]),
        ("SparseAdam", ["sparse gradients"]),
        ("Muon", ["matrices alone", "timm/muon"]),
        ("Lion", ["did you mean 'timm/lion'"]),
        ("LAMB", ["did you mean 'timm/lamb'"]),
        ("rmsprop", ["did you mean 'RMSprop'"]),
        ("Adamw", ["did you mean 'AdamW'"]),
    ],
)
def test_a_name_that_is_not_known_is_told_with_the_reason_or_the_one_that_is_meant(name, parts):
    with pytest.raises(UserError) as caught:
        validate(small(optimizer={"name": name, "lr": 0.01}), "a.json")
    (message,) = caught.value.problems
    assert message.startswith("a.json: optimizer.name: ")
    assert [part for part in parts if part not in message] == []


def test_an_optimizer_that_the_installed_library_lacks_is_told(monkeypatch):
    monkeypatch.delattr(torch.optim, "Adafactor")
    with pytest.raises(UserError, match="the torch that is installed has no Adafactor"):
        check_optimizer(section(name="Adafactor"))


@pytest.mark.parametrize("name", installed_optimizers())
def test_parameters_that_begin_to_train_later_do_so_with_every_optimizer(name):
    with_momentum = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    optimizer = build_optimizer(section(name=name, **with_momentum), parameters())
    frozen, *training = optimizer.param_groups[0]["params"]
    frozen.requires_grad_(False)
    before = frozen.clone()
    for step in range(4):
        if step == 2:
            assert torch.equal(frozen, before)
            frozen.requires_grad_(True)
            training.append(frozen)
        complete_momentum(optimizer)
        for parameter in training:
            parameter.grad = torch.full_like(parameter, 0.5)
        optimizer.step()
    assert not torch.equal(frozen, before)
