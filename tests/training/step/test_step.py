"""The parts of a step: BatchNorm's running statistics, sums of gradients in two halves, the loss monitor."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mtl_accel.core.errors import UserError
from mtl_accel.training.step.batchnorm import RunningStatistics
from mtl_accel.training.step.loss_monitor import LossMonitor, SkippedSteps
from mtl_accel.training.step.task_gradients import PairwiseGradientSum


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))


def initialised() -> nn.Module:
    module = network()
    module(torch.zeros(2, 3, 5, 5))
    module[1].reset_running_stats()
    return module


def images(count: int, seed: int = 1) -> list[torch.Tensor]:
    numbers = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 3, 5, 5, generator=numbers) * (index + 1) for index in range(count)]


def buffers(module: nn.Module) -> list[torch.Tensor]:
    return [buffer.clone() for name, buffer in module.named_buffers() if not name.endswith("num_batches_tracked")]


def run_step(module: nn.Module, parts: list[torch.Tensor], statistics: RunningStatistics) -> torch.Tensor:
    statistics.begin_step()
    for part in parts:
        statistics.begin_micro_batch()
        module(part)
        statistics.end_micro_batch()
    return statistics.sum()


def test_running_statistics_of_a_step_are_the_mean_over_its_micro_batches():
    module, parts = initialised(), images(4)
    statistics = RunningStatistics(module, 4)
    for _ in range(2):  # the second step starts from values that are not the initial ones
        alone = []
        for part in parts:
            other = copy.deepcopy(module)
            other(part)
            alone.append(buffers(other))
        statistics.end_step(run_step(module, parts, statistics))
        for found, *each in zip(buffers(module), *alone, strict=True):
            torch.testing.assert_close(found, torch.stack(each).mean(0))


@pytest.mark.parametrize("order", [[3, 1, 0, 2], [2, 3, 0, 1]])
def test_running_statistics_have_the_same_bits_in_any_order_and_on_any_processes(order):
    parts = images(4)
    one = initialised()
    statistics = RunningStatistics(one, 4)
    statistics.end_step(run_step(one, parts, statistics))
    ranks = [initialised(), initialised()]
    keepers = [RunningStatistics(module, 4) for module in ranks]
    dealt = [[parts[index] for index in order[:2]], [parts[index] for index in order[2:]]]
    total = sum(run_step(*pair) for pair in zip(ranks, dealt, keepers, strict=True))
    for module, keeper in zip(ranks, keepers, strict=True):
        keeper.end_step(total)
        assert all(torch.equal(found, expected) for found, expected in zip(buffers(module), buffers(one), strict=True))
        assert int(module[1].num_batches_tracked) == int(one[1].num_batches_tracked) == 1


def test_with_one_micro_batch_or_no_batchnorm_nothing_is_done():
    module, (part,) = initialised(), images(1)
    plain = copy.deepcopy(module)
    plain(part)
    statistics = RunningStatistics(module, 1)
    statistics.end_step(run_step(module, [part], statistics))
    assert not statistics.active and statistics.sum().numel() == 0
    assert all(torch.equal(*pair) for pair in zip(buffers(module), buffers(plain), strict=True))
    assert not RunningStatistics(nn.Linear(2, 2), 4).active
    assert not RunningStatistics(nn.BatchNorm2d(4, track_running_stats=False), 4).active


def gradients(count: int) -> list[list[torch.Tensor | None]]:
    """Gradients of three parameters for each micro-batch; the last parameter has none in the first half."""
    numbers = torch.Generator().manual_seed(2)
    found: list[list[torch.Tensor | None]] = [
        [torch.randn(50, generator=numbers) for _ in range(3)] for _ in range(count)
    ]
    for part in found[: count // 2]:
        part[2] = None
    return found


def accumulate(
    parts: list[list[torch.Tensor | None]], halves: PairwiseGradientSum, parameters: list[nn.Parameter]
) -> None:
    for index, part in enumerate(parts):
        halves.start_micro_batch(index)
        for parameter, gradient in zip(parameters, part, strict=True):
            if gradient is not None:
                parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad + gradient
    halves.finish()


def sum_in_order(parts: list[torch.Tensor]) -> torch.Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@pytest.mark.parametrize("count", [4, 6, 16])
def test_one_process_sums_to_the_bits_of_two(count):
    parts, parameters = gradients(count), [nn.Parameter(torch.zeros(50)) for _ in range(3)]
    accumulate(parts, PairwiseGradientSum(parameters, count, 1), parameters)
    middle = count // 2
    for index, parameter in enumerate(parameters[:2]):
        first = sum_in_order([part[index] for part in parts[:middle]])
        second = sum_in_order([part[index] for part in parts[middle:]])
        assert parameter.grad is not None and torch.equal(parameter.grad, first + second)
        assert not torch.equal(parameter.grad, sum_in_order([part[index] for part in parts]))  # or it were for nothing
    assert torch.equal(parameters[2].grad, sum_in_order([part[2] for part in parts[middle:]]))


def test_the_first_half_is_kept_where_gradients_lie_in_memory_that_is_written_again():
    """As DDP's buckets are, which a gradient may be a view of."""
    parameter, bucket = nn.Parameter(torch.zeros(50)), torch.zeros(50)
    halves = PairwiseGradientSum([parameter], 4, 1)
    for index in range(4):
        halves.start_micro_batch(index)
        bucket.mul_(parameter.grad is not None).add_(index + 1)
        parameter.grad = bucket
    halves.finish()
    assert parameter.grad is not None and torch.equal(parameter.grad, torch.full((50,), 10.0))


def test_a_gradient_of_the_first_half_alone_is_kept():
    parameters = [nn.Parameter(torch.zeros(50))]
    parts = [[torch.ones(50)], [torch.ones(50)], [None], [None]]
    accumulate(parts, PairwiseGradientSum(parameters, 4, 1), parameters)
    assert parameters[0].grad is not None and torch.equal(parameters[0].grad, torch.full((50,), 2.0))


@pytest.mark.parametrize(("count", "processes"), [(1, 1), (2, 1), (3, 1), (5, 1), (4, 2)])
def test_other_cuts_are_summed_in_order(count, processes):
    parts, parameters = gradients(count), [nn.Parameter(torch.zeros(50)) for _ in range(3)]
    accumulate(parts, PairwiseGradientSum(parameters, count, processes), parameters)
    assert torch.equal(parameters[0].grad, sum_in_order([part[0] for part in parts]))


def loss_monitor() -> LossMonitor:
    return LossMonitor(["category", "attribute"], lambda epoch, step: [f"{epoch}-{step}-{n}.png" for n in range(10)])


def test_the_means_are_those_of_all_steps_that_were_read_since_the_last_ones() -> None:
    monitor = loss_monitor()
    for step, losses in enumerate(([1.0, 4.0], [3.0, 6.0])):  # each read at once, as where a checkpoint is saved
        monitor.add(step, torch.tensor(losses))
        monitor.read(0, 0.1, torch.tensor(1.0))
    assert monitor.take_means() == {"category": 2.0, "attribute": 5.0}
    monitor.add(2, torch.tensor([8.0, 9.0]))
    monitor.read(0, 0.1, torch.tensor(1.0))
    assert monitor.take_means() == {"category": 8.0, "attribute": 9.0}


def test_the_watch_gives_the_interval_s_mean_and_starts_anew():
    monitor = loss_monitor()
    for step, losses in enumerate([[1.0, 2.0], [3.0, 6.0]]):
        monitor.add(step, torch.tensor(losses, dtype=torch.float64))
    assert monitor.read(0, 0.1, torch.tensor(1.0)) == 6
    monitor.add(2, torch.tensor([1.0, 1.0]))
    assert monitor.read(0, 0.1, torch.tensor(1.0)) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_is_told_with_task_step_rate_and_samples(value):
    monitor = loss_monitor()
    for step in range(20, 30):
        monitor.add(step, torch.tensor([1.0, value if step in (24, 26) else 2.0]))
    with pytest.raises(UserError) as caught:
        monitor.read(2, 3e-4, torch.tensor(float("nan")))
    (message,) = caught.value.problems
    assert message.startswith("epoch 3, step 25 (seen in steps 21 to 30), learning rate 0.0003: the loss is not finite")
    assert f"(attribute {value:g})" in message and "category" not in message
    assert "samples 2-24-0.png, " in message and "2-24-7.png and 2 more" in message


def test_a_gradient_that_is_not_finite_is_told_for_the_interval_s_last_step():
    monitor = loss_monitor()
    for step in range(2):
        monitor.add(step, torch.tensor([1.0, 1.0]))
    message = r"epoch 1, step 2 \(seen in steps 1 to 2\).*norm of gradient or weights is inf; samples 0-1-0\.png"
    with pytest.raises(UserError, match=message):
        monitor.read(0, 0.1, torch.tensor(float("inf")))


def test_steps_that_loss_scaling_skipped_are_counted_by_the_scale():
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    scaler.scale(torch.ones(1))  # the scale is made when it is first used
    skipped = SkippedSteps(scaler)
    assert skipped.count() == 0
    scaler.update(256.0)  # two steps skipped, each halved it
    assert skipped.count() == 2
    scaler.update(512.0)  # a step that went well for long enough
    assert skipped.count() == 0
    assert SkippedSteps(None).count() == 0
