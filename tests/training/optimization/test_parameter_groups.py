"""Groups of an optimizer: one by default; lower rates for the backbone, and no decay, where they are asked for."""

from __future__ import annotations

import pytest
import torch
from config_cases import small
from small_run import Small
from torch import nn

from mtl_accel.config import Config, validate
from mtl_accel.core.errors import UserError
from mtl_accel.models.resnet18_linear import ResNet18Linear
from mtl_accel.training.optimization.optimizers import build_optimizer
from mtl_accel.training.optimization.parameter_groups import parameter_groups
from mtl_accel.training.optimization.schedule import Schedule


class Attentive(Small):
    """A backbone with all kinds of parameters that weight decay is kept from."""

    def __init__(self, num_outputs: dict[str, int], weights: str | None = None) -> None:
        super().__init__(num_outputs, weights)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.TransformerEncoderLayer(8, 2, 8), nn.Embedding(3, 8)
        )
        self.backbone.class_token = nn.Parameter(torch.zeros(1, 1, 8))


def config_of(**knobs: object) -> Config:
    optimizer = {"name": "AdamW", "lr": 0.01, "weight_decay": 0.1}
    return validate(small(**{"optimizer": optimizer, **knobs}), "c.json")


class Wrapped(nn.Module):
    """A pair and two learned weights of tasks beside it."""

    def __init__(self, pair: nn.Module, learned: bool = False) -> None:
        super().__init__()
        self.pair = pair
        if learned:
            self.log_variances = nn.Parameter(torch.zeros(2))


def named_groups(pair: Small, config: Config, learned: bool = False) -> dict[str, tuple[float, float]]:
    """Each parameter's name, with the rate and the weight decay that its group has in the optimizer."""
    objective = Wrapped(pair, learned)
    optimizer = build_optimizer(config.optimizer, parameter_groups(objective, pair, config))
    found = {p: (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(found)
    assert found.keys() == set(objective.parameters())
    return {name.removeprefix("pair."): found[p] for name, p in objective.named_parameters()}


def test_by_default_there_is_the_one_group_of_all_parameters_in_their_order():
    pair, config = Small({"category": 3}), config_of()
    plain = build_optimizer(config.optimizer, pair.parameters())
    grouped = build_optimizer(config.optimizer, parameter_groups(Wrapped(pair), pair, config))
    assert grouped.state_dict() == plain.state_dict()
    assert all(a is b for a, b in zip(*(o.param_groups[0]["params"] for o in (plain, grouped)), strict=True))


def test_only_weight_matrices_decay_when_norms_and_biases_do_not():
    found = named_groups(Attentive({"category": 3}), config_of(no_decay_on_norms_and_biases=True))
    decaying = {name for name, (_, decay) in found.items() if decay}
    assert {decay for _, decay in found.values()} == {0, 0.1} and {lr for lr, _ in found.values()} == {0.01}
    layer = "backbone.2"
    assert decaying == {
        "backbone.0.weight",
        f"{layer}.self_attn.in_proj_weight",
        f"{layer}.self_attn.out_proj.weight",
        f"{layer}.linear1.weight",
        f"{layer}.linear2.weight",
        "heads.task_category.weight",
    }


def test_learned_weights_of_tasks_have_the_heads_rate_and_no_decay():
    found = named_groups(Small({"category": 3}), config_of(model={"backbone_lr_scale": 0.1}), learned=True)
    assert found["log_variances"] == (0.01, 0)
    assert found["heads.task_category.weight"] == (0.01, 0.1)


def test_the_backbone_has_its_share_of_the_rate_and_the_first_group_is_the_heads():
    pair, config = Small({"category": 3}), config_of(model={"backbone_lr_scale": 0.1})
    found = named_groups(pair, config)
    for name, (lr, decay) in found.items():
        assert (lr, decay) == ((pytest.approx(0.001) if name.startswith("backbone") else 0.01), 0.1)
    first, second = parameter_groups(Wrapped(pair), pair, config)
    assert set(first["params"]) == set(pair.heads.parameters())
    assert set(second["params"]) == set(pair.backbone.parameters())


def test_the_rate_falls_by_one_factor_a_block_from_the_heads_to_the_input():
    pair = ResNet18Linear({"category": 3})
    config = config_of(model={"layer_lr_decay": 0.5, "backbone_lr_scale": 0.2})
    found = named_groups(pair, config)
    assert found["heads.task_category.weight"][0] == 0.01
    names = {parameter: f"backbone.{name}" for name, parameter in pair.backbone.named_parameters()}
    for steps, block in enumerate(reversed(pair.layers()), 1):
        for parameter in block.parameters():
            assert found[names[parameter]][0] == pytest.approx(0.01 * 0.2 * 0.5**steps)
    assert found["backbone.layer4.1.conv1.weight"][0] == pytest.approx(0.01 * 0.2 * 0.5)


def test_layers_that_leave_parameters_out_are_told():
    class Forgetful(Small):
        def layers(self) -> list[nn.Module]:
            return [self.backbone[0]]

    pair, config = Forgetful({"category": 3}), config_of(model={"layer_lr_decay": 0.5})
    with pytest.raises(UserError, match=r"model\.layer_lr_decay: 0\.5 needs the blocks"):
        parameter_groups(Wrapped(pair), pair, config)


def tasks_with_scales(**scales: float) -> dict[str, object]:
    return {name: {"kind": "multiclass", "column": name, "lr_scale": scale} for name, scale in scales.items()}


def test_a_task_s_head_has_its_share_of_the_rate():
    pair = Small({"category": 3, "season": 4})
    config = config_of(tasks=tasks_with_scales(category=1.0, season=0.1), model={"backbone_lr_scale": 0.5})
    rates = {name: lr for name, (lr, _) in named_groups(pair, config).items()}
    assert rates["heads.task_category.weight"] == 0.01
    assert rates["heads.task_season.weight"] == rates["heads.task_season.bias"] == pytest.approx(0.001)
    assert rates["backbone.0.weight"] == pytest.approx(0.005)


@pytest.mark.parametrize("optimizer", ["AdamW", "SGD"])
def test_rates_of_heads_keep_their_scale_under_a_schedule_where_none_has_the_optimizers_own(optimizer: str):
    pair = Small({"category": 3})
    scheduler = {"name": "OneCycleLR", "max_lr": 0.02}
    section = {"name": optimizer, "lr": 0.02} | ({"momentum": 0.9} if optimizer == "SGD" else {})
    config = config_of(
        tasks=tasks_with_scales(category=4.0), scheduler=scheduler, optimizer=section, model={"backbone_lr_scale": 0.5}
    )
    built = build_optimizer(config.optimizer, parameter_groups(Wrapped(pair), pair, config))
    schedule = Schedule(built, config.scheduler, epochs=1, steps_per_epoch=4)
    before = {name: parameter.clone() for name, parameter in pair.named_parameters()}
    for _ in range(4):
        pair(torch.randn(4, 3, 16, 16))["category"].square().sum().backward()
        built.step()
        schedule.after_step()
        own, *others = (group["lr"] for group in built.param_groups)
        assert sorted(others) == pytest.approx([0.5 * own, 4 * own]) and schedule.lr == own
    assert built.param_groups[0]["params"] == []
    assert all(not torch.equal(before[name], parameter) for name, parameter in pair.named_parameters())
