"""Balancers: the papers' arithmetic on numbers worked out by hand, and what holds for each of them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from mtl_accel.config.sections.balancing import Balancing
from mtl_accel.objective import balancing
from mtl_accel.objective.balancing import BALANCERS, Balancer, GradientBalancer
from mtl_accel.objective.balancing.jacobian import JacobianBalancer
from mtl_accel.training.step.task_gradients import gramian

# Two tasks' gradients in conflict, and what each method makes of them: TorchJD's published example.
JACOBIAN = torch.tensor([[-4.0, 1.0, 1.0], [6.0, 1.0, 1.0]], dtype=torch.float64)
DIRECTIONS = {
    "upgrad": [0.292902, 1.900352, 1.900352],
    "pcgrad": [0.584795, 3.80117, 3.80117],
    "mgda": [0.0, 1.0, 1.0],
    "cagrad": [0.1835, 1.2041, 1.2041],
    "imtl_g": [0.076697, 1.0, 1.0],
    "aligned_mtl": [0.213279, 0.967333, 0.967333],
}
ON_GRADIENTS = [name for name, kind in BALANCERS.items() if issubclass(kind, GradientBalancer)]
ON_LOSSES = [name for name in BALANCERS if name not in ON_GRADIENTS]


def build(name: str, num_tasks: int = 2, num_micro_batches: int = 1, **knobs: float) -> Balancer:
    config = TypeAdapter(Balancing).validate_python({"name": name, **knobs})
    balancer = balancing.build_balancer(config, num_tasks, num_micro_batches, seed=0)
    balancer.begin_step(0, 0)
    return balancer


def losses_of(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def weigh(balancer: Balancer, jacobian: torch.Tensor) -> torch.Tensor:
    assert isinstance(balancer, GradientBalancer)
    return balancer.weigh(gramian(list(jacobian)), torch.ones(len(jacobian), dtype=torch.float64))


@pytest.mark.parametrize("name", DIRECTIONS)
def test_a_method_gives_the_published_direction(name):
    direction = weigh(build(name), JACOBIAN) @ JACOBIAN
    assert direction.tolist() == pytest.approx(DIRECTIONS[name], abs=5e-5)


def test_nash_mtl_finds_the_bargain_in_which_every_task_gains_the_same_share():
    # Its solution has (G alpha)_i = 1 / alpha_i, up to a common scale, that of the largest norm.
    products = gramian(list(JACOBIAN))
    weights = weigh(build("nash_mtl"), JACOBIAN)
    shares = (products @ weights) * weights
    assert float(shares.max() / shares.min()) == pytest.approx(1, abs=0.02)
    assert float((weights @ JACOBIAN).norm()) <= 1 + 1e-9


def test_every_method_on_torchjd_has_its_published_numbers_here():
    tested = {*DIRECTIONS, "nash_mtl"}
    assert tested == {name for name, kind in BALANCERS.items() if issubclass(kind, JacobianBalancer)}


def test_uncertainty_weighting_gives_the_papers_loss_and_gradients():
    balancer, losses = build("uncertainty"), torch.tensor([2.3, 0.7], requires_grad=True)
    total = balancer(losses, torch.tensor([True, True]))
    total.backward()
    assert float(total.detach()) == pytest.approx(1.5)
    assert losses.grad is not None and losses.grad.tolist() == pytest.approx([0.5, 0.5])
    assert balancer.log_variances.grad.tolist() == pytest.approx([-0.65, 0.15])


def test_dynamic_weights_follow_the_ratio_of_two_epochs_means():
    balancer = build("dwa", temperature=2.0)
    for means in ((2.0, 1.0), (1.0, 0.9)):
        assert balancer.weights.tolist() == [1, 1]
        for part in (0.5, 1.5):  # the mean over the steps counts
            balancer.end_step(losses_of(*means) * part)
        balancer.end_epoch()
    assert balancer.weights.tolist() == pytest.approx([0.900332, 2 - 0.900332], abs=1e-6)


def test_dynamic_weights_do_not_take_a_step_without_a_label_for_a_fall_of_the_loss():
    balancer = build("dwa")
    for steps in ([2.0, 2.0], [2.0, 0.0], [0.0, 0.0], [2.0, 0.0]):
        for loss in steps:
            balancer.end_step(losses_of(loss, 1.0))
        balancer.end_epoch()
        assert balancer.weights.tolist() == [1, 1]


def test_random_weights_are_drawn_anew_each_step_and_the_same_for_the_same_step():
    one, other = build("random", 3), build("random", 3)
    drawn = []
    for step in range(40):
        for balancer in (one, other):
            balancer.begin_step(2, step)
        assert torch.equal(one.weights, other.weights)
        assert float(one.weights.sum()) == pytest.approx(3, abs=1e-5)
        drawn.append(one.weights.clone())
    assert len({tuple(weights.tolist()) for weights in drawn}) == 40
    assert torch.stack(drawn).mean(0).tolist() == pytest.approx([1, 1, 1], abs=0.35)


def test_gradnorm_makes_the_norms_equal_and_favours_the_task_that_lags():
    balancer = build("gradnorm", alpha=1.5, lr=0.005)
    jacobian = torch.diag(losses_of(1.0, 4.0))
    for _ in range(400):
        norms = weigh(balancer, jacobian) * losses_of(1.0, 4.0)
    assert norms[0] / norms[1] == pytest.approx(1, abs=0.05)
    for _ in range(400):  # task 0 still has all of its first loss, task 1 half of it
        balancer.weigh(gramian(list(jacobian)), losses_of(1.0, 0.5))
    lagging = balancer.weights.cpu() * losses_of(1.0, 4.0)
    assert lagging[0] / lagging[1] == pytest.approx(2**1.5, rel=0.1)
    assert float(balancer.weights.sum()) == pytest.approx(2)


@pytest.mark.parametrize("name", ON_LOSSES)
def test_every_task_has_a_part_in_the_total(name):
    losses = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    total = build(name, 3)(losses, losses > 0)
    total.backward()
    assert total.shape == () and losses.grad is not None and (losses.grad > 0).all()


@pytest.mark.parametrize("name", ON_LOSSES)
@given(values=st.lists(st.floats(0, 20), min_size=2, max_size=4), num=st.integers(1, 5))
@settings(max_examples=25)
def test_the_shares_of_micro_batches_add_up_to_the_total_of_the_step(name, values, num):
    parts = torch.tensor(values, dtype=torch.float64).expand(num, -1) / num
    whole = build(name, len(values), 1)(parts.sum(0), parts[0] > 0)
    torch.testing.assert_close(sum(build(name, len(values), num)(part, parts[0] > 0) for part in parts), whole)


@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_a_task_without_a_gradient_changes_nothing_for_the_others(name):
    alone = weigh(build(name, 2), JACOBIAN)
    with_empty = weigh(build(name, 3), torch.cat([JACOBIAN, torch.zeros(1, 3, dtype=torch.float64)]))
    torch.testing.assert_close(with_empty[:2], alone)
    assert float(with_empty[2]) == 1


@pytest.mark.parametrize("name", ON_GRADIENTS)
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_gradients_that_are_not_finite_pass_with_weight_1(name, broken):
    weights = build(name).weigh(torch.full((2, 2), broken, dtype=torch.float64), losses_of(1.0, 1.0))
    assert weights.tolist() == [1, 1]


@pytest.mark.parametrize("name", DIRECTIONS)
@given(seed=st.integers(0, 2**31 - 1), num_tasks=st.integers(1, 4), scale=st.floats(-3, 3))
@settings(max_examples=6)
def test_the_direction_does_not_depend_on_the_scale_of_all_losses_together(name, seed, num_tasks, scale):
    numbers = torch.Generator().manual_seed(seed)
    jacobian = torch.randn(num_tasks, 6, generator=numbers, dtype=torch.float64)
    balancer = build(name, num_tasks)
    first, second = (weigh(balancer, jacobian * factor) @ jacobian for factor in (1.0, 10.0**scale))
    # The solvers round in their own ways, and MGDA's stops when it is near.
    torch.testing.assert_close(first / first.norm(), second / second.norm(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", ON_GRADIENTS)
def test_weighing_leaves_torch_s_random_numbers_as_they_were(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    weigh(build(name, 3), torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("name", BALANCERS)
def test_a_balancer_goes_on_from_what_it_remembers(name):
    """What a checkpoint holds is all that the next step depends on."""
    kept = build(name)
    for step in range(3):
        _step(kept, step)
    kept.end_epoch()
    _step(kept, 3)
    restored = build(name)
    restored.load_state_dict(kept.state_dict())
    assert _step(kept, 4) == _step(restored, 4)
    assert kept.mean_weights() == restored.mean_weights()


def _step(balancer: Balancer, step: int) -> list[float]:
    balancer.begin_step(0, step)
    losses = losses_of(2.0 / (step + 1), 1.0)
    if isinstance(balancer, GradientBalancer):
        weights = balancer.weigh(gramian(list(JACOBIAN + step)), losses)
        balancer.record_weights(weights)
        return weights.tolist()
    total = float(balancer(losses, losses > 0).detach())
    balancer.end_step(losses)
    return [total]
