"""Every schedule is torch's own, times a warm-up, and resumes exactly."""

from __future__ import annotations

import json
import math
from typing import get_args

import pytest
import torch
from optimizer_cases import EPOCHS, SCHEDULERS, STEPS, optimizer_of, parameters, rates, schedule_of, score_of, whole_run
from pydantic import TypeAdapter
from torch.optim import lr_scheduler

from mtl_accel.config.sections.optimization import Optimizer
from mtl_accel.config.sections.schedules import CosineAnnealingLR, OneCycleLR, Scheduler
from mtl_accel.core.errors import UserError
from mtl_accel.training.optimization.optimizers import build_optimizer
from mtl_accel.training.optimization.schedule import Schedule
from mtl_accel.training.state import load_optimizer_state, optimizer_state


def is_one_cycle(case: str | None) -> bool:
    return case is not None and case.startswith("OneCycleLR")


def test_the_cases_cover_every_scheduler():
    names = {get_args(member.model_fields["name"].annotation)[0] for member in get_args(get_args(Scheduler)[0])}
    assert names == {case.split()[0] for case in SCHEDULERS}


@pytest.mark.parametrize("case", [None, *SCHEDULERS])
@pytest.mark.parametrize("done", [0, 3, 17, 48])
@pytest.mark.filterwarnings("error")
def test_a_replayed_schedule_stands_where_the_steps_would_have_led(case, done):
    warmup_epochs = 0.0 if is_one_cycle(case) else 2.5
    stepped, replayed = schedule_of(case, warmup_epochs), schedule_of(case, warmup_epochs)
    rates(stepped, range(done))
    replayed.replay(done // STEPS, done % STEPS, STEPS, stepped.scores)
    assert replayed.lr == stepped.lr
    assert replayed.state_dict() == stepped.state_dict()


def test_a_cycle_that_would_rise_within_one_step_is_an_error_that_names_its_knob():
    scheduler = TypeAdapter(Scheduler).validate_python({"name": "OneCycleLR", "max_lr": 0.01, "pct_start": 0.25})
    with pytest.raises(UserError, match=r"scheduler\.pct_start: 0\.25 .* 3 steps"):
        Schedule(optimizer_of(), scheduler, 3, 1)


@pytest.mark.parametrize("case", [None, *(case for case in SCHEDULERS if not is_one_cycle(case))])
@pytest.mark.parametrize("warmup_epochs", [0.25, 1, 2.5, 7])
def test_warm_up_multiplies_every_schedule(case, warmup_epochs):
    plain, warmed = whole_run(schedule_of(case)), whole_run(schedule_of(case, warmup_epochs))
    length = round(warmup_epochs * STEPS)
    factors = [min(1.0, (step + 1) / (length + 1)) for step in range(EPOCHS * STEPS)]
    assert warmed == pytest.approx([rate * factor for rate, factor in zip(plain, factors, strict=True)], rel=1e-9)


def test_cosine_reaches_its_end_with_the_run_when_no_period_is_given():
    schedule = schedule_of("CosineAnnealingLR")
    assert isinstance(schedule.parts[0], torch.optim.lr_scheduler.CosineAnnealingLR)
    assert schedule.parts[0].T_max == EPOCHS
    by_epoch = whole_run(schedule)[::STEPS]
    expected = [0.005 * (1 + math.cos(math.pi * epoch / EPOCHS)) for epoch in range(EPOCHS)]
    assert by_epoch == pytest.approx(expected, rel=1e-9)
    assert schedule.lr == pytest.approx(0, abs=1e-12)
    given = TypeAdapter(CosineAnnealingLR).validate_python({"name": "CosineAnnealingLR", "T_max": 3})
    assert Schedule(optimizer_of(), given, EPOCHS, STEPS).parts[0].T_max == 3


def test_a_cosine_by_steps_is_torchs_over_all_steps():
    found = whole_run(schedule_of("CosineAnnealingLR by steps"))
    steps = EPOCHS * STEPS
    expected = [1e-4 + 0.5 * (0.01 - 1e-4) * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("case", [None, *SCHEDULERS])
def test_the_rates_of_all_groups_keep_their_ratio_and_the_schedule_s_is_the_first_ones(case):
    knobs = None if case is None else {"name": case.split()[0], **SCHEDULERS[case]}
    warmup = 0.0 if is_one_cycle(case) else 1.5
    config = TypeAdapter(Optimizer).validate_python({"name": "SGD", "lr": 0.01})
    first, second, third, _ = ([parameter] for parameter in parameters())
    groups = [{"params": first}, {"params": second, "lr": 0.001}, {"params": third, "lr": 0.02}]
    optimizer = build_optimizer(config, groups)
    schedule = Schedule(optimizer, TypeAdapter(Scheduler | None).validate_python(knobs), EPOCHS, STEPS, warmup)
    alone = whole_run(schedule_of(case, warmup))
    for step, expected in enumerate(alone):
        assert schedule.lr == expected
        found = [group["lr"] for group in optimizer.param_groups]
        assert found == pytest.approx([expected, 0.1 * expected, 2 * expected], rel=1e-12, abs=0)
        rates(schedule, range(step, step + 1))


def test_one_cycle_goes_up_and_down_by_steps_over_the_whole_run():
    found = whole_run(schedule_of("OneCycleLR"))
    peak = found.index(max(found))
    assert found[0] == pytest.approx(0.02 / 25)
    assert found[peak] == pytest.approx(0.02, rel=2e-2) and abs(peak - 0.3 * EPOCHS * STEPS) <= 1
    assert found[:peak] == sorted(found[:peak]) and found[peak:] == sorted(found[peak:], reverse=True)
    assert len(set(found[:-1])) == len(found) - 1 and found[-1] < found[0]


def test_one_cycle_leaves_the_momentum_alone():
    config = TypeAdapter(OneCycleLR).validate_python({"name": "OneCycleLR", "max_lr": 0.02})
    schedule = Schedule(optimizer_of(momentum=0.9), config, EPOCHS, STEPS)
    whole_run(schedule)
    assert schedule.optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("case", [None, *SCHEDULERS])
@pytest.mark.parametrize("done", [0, 1, 7, 8, 30, EPOCHS * STEPS])
def test_a_schedule_goes_on_exactly_after_a_trip_through_json(case, done):
    warmup = 0.0 if is_one_cycle(case) else 2.5
    uninterrupted = whole_run(schedule_of(case, warmup))
    first, second = schedule_of(case, warmup), schedule_of(case, warmup)
    before = rates(first, range(done))
    tensors, plain = optimizer_state(first.optimizer)
    plain, state = json.loads(json.dumps([plain, first.state_dict()]))
    load_optimizer_state(second.optimizer, tensors, plain)
    second.load_state_dict(state)
    assert second.lr == first.lr
    assert before + rates(second, range(done, EPOCHS * STEPS)) == uninterrupted


TORCHS = {  # by case: torch's own over an optimizer, and whether it is stepped after each step
    "ConstantLR": (lambda o: lr_scheduler.ConstantLR(o, 0.5, 3), False),
    "LinearLR": (lambda o: lr_scheduler.LinearLR(o, 1 / 3, 1.0, EPOCHS), False),
    "LinearLR by steps": (lambda o: lr_scheduler.LinearLR(o, 0.5, 0.1, 5 * STEPS), True),
    "ExponentialLR": (lambda o: lr_scheduler.ExponentialLR(o, 0.8), False),
    "ExponentialLR by steps": (lambda o: lr_scheduler.ExponentialLR(o, 0.8 ** (1 / STEPS)), True),
    "PolynomialLR": (lambda o: lr_scheduler.PolynomialLR(o, EPOCHS, 2.0), False),
    "PolynomialLR by steps": (lambda o: lr_scheduler.PolynomialLR(o, 7 * STEPS), True),
    "CosineAnnealingWarmRestarts": (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2, 2), False),
    "CosineAnnealingWarmRestarts by steps": (
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3 * STEPS, eta_min=1e-3),
        True,
    ),
    "SequentialLR": (
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, 0.1, total_iters=3),
                lr_scheduler.ConstantLR(o, 1.0),
                lr_scheduler.StepLR(o, 2, 0.5),
            ],
            [3, 5],
        ),
        False,
    ),
    "SequentialLR by steps": (
        lambda o: lr_scheduler.SequentialLR(
            o,
            [
                lr_scheduler.LinearLR(o, 0.1, total_iters=2 * STEPS),
                lr_scheduler.CosineAnnealingLR(o, (EPOCHS - 2) * STEPS, 1e-4),
            ],
            [2 * STEPS],
        ),
        True,
    ),
    "ReduceLROnPlateau": (
        lambda o: lr_scheduler.ReduceLROnPlateau(o, "max", 0.5, patience=1, cooldown=1, min_lr=1e-3),
        False,
    ),
}


@pytest.mark.parametrize("case", TORCHS)
def test_the_rates_are_torch_s_own_to_the_last_bit(case):
    make, every_step = TORCHS[case]
    optimizer = optimizer_of()
    scheduler, expected = make(optimizer), []
    for step in range(EPOCHS * STEPS):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if every_step:
            scheduler.step()
        elif (step + 1) % STEPS == 0:
            is_plateau = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
            scheduler.step(*([score_of(step // STEPS)] if is_plateau else []))
    assert whole_run(schedule_of(case)) == expected
    assert len(set(expected)) > 1


def test_one_cycle_without_a_rate_of_its_own_goes_up_to_the_optimizer_s():
    assert max(whole_run(schedule_of("OneCycleLR to the optimizer's rate"))) == pytest.approx(0.01, rel=2e-2)


def plateau(lower_is_better: bool) -> Schedule:
    config = TypeAdapter(Scheduler).validate_python({"name": "ReduceLROnPlateau", "patience": 0, "threshold": 0.1})
    return Schedule(optimizer_of(), config, EPOCHS, STEPS, lower_is_better=lower_is_better)


def test_a_plateau_of_a_loss_is_measured_on_the_loss_itself():
    # A loss of 1.0 that falls to 0.95 improves by less than a tenth; of scores -1.0 and -0.95 torch finds the same
    # improvement on -1.1.
    schedule = plateau(lower_is_better=True)
    for score in (-1.0, -0.95):
        schedule.optimizer.step()
        schedule.after_epoch(score)
    assert schedule.lr == pytest.approx(0.001)


def test_a_plateau_waits_where_nothing_is_measured():
    schedule = plateau(lower_is_better=False)
    for _ in range(5):
        schedule.optimizer.step()
        schedule.after_epoch()
    assert schedule.lr == 0.01


def test_a_score_of_another_metric_counts_as_the_first():
    schedule = plateau(lower_is_better=False)
    schedule.replay(3, 0, STEPS, [0.5, 0.9, 0.4])
    assert schedule.lr == pytest.approx(0.001)
    schedule.forget_best()
    schedule.after_epoch(0.1)
    assert schedule.lr == pytest.approx(0.001)
    schedule.after_epoch(0.1)
    assert schedule.lr == pytest.approx(0.0001)


@pytest.mark.parametrize(("lr", "highest"), [(0.001, 0.002), (0.003, 0.0005)])
def test_a_highest_rate_of_one_cycle_beside_another_rate_gives_the_rates_of_that_highest_rate(lr, highest):
    # So a run of before, whose optimizer had another rate that was not used, resumes to what it would have been.
    config = TypeAdapter(Scheduler).validate_python({"name": "OneCycleLR", "max_lr": highest})
    alone = TypeAdapter(Scheduler).validate_python({"name": "OneCycleLR"})
    before, now = (Schedule(optimizer_of(lr=r), c, EPOCHS, STEPS) for r, c in ((lr, config), (highest, alone)))
    assert whole_run(before) == whole_run(now)
