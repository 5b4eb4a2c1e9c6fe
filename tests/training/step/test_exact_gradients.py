"""However a run is started, its optimizer gets the gradients of a plain loop in float64, and one set of weights."""

from __future__ import annotations

import json
from pathlib import Path

import plain_loop
import pytest
import real_runs as runs
import torch
from launcher_forms import FORMS, GROUP_OF_ONE, NOTEBOOK, PLAIN, Form, Launches
from plain_loop import Samples
from torch import Tensor

from mtl_accel.objective.balancing import BALANCERS, GradientBalancer

pytestmark = pytest.mark.slow

NUM_TRAIN = 26  # the last step is padded, unless a batch is 2
FIXED = {"name": "fixed"}


def keys(num_micro_batches: int, pair: str = "smooth_normed", **changes) -> dict:
    changes = {"balancing": FIXED, "model": {"name": pair}} | changes
    return {"batch_size": 2 * num_micro_batches, **changes}


def ways() -> list[dict]:
    """Every kind of balancing, with each thing that it can look at."""
    found = []
    for name, kind in BALANCERS.items():
        places = [{"where": "shared"}, {"where": "features"}] if issubclass(kind, GradientBalancer) else [{}]
        found += [{"name": name, **place} for place in places]
    return found


def named(balancing: dict) -> str:
    return " ".join(balancing.values())


def balanced(number: int) -> dict[str, dict]:
    """Every kind of balancing, and all else that comes between a loss and the optimizer."""
    upgrad = {"name": "upgrad", "where": "features"}
    whole = {"ema_decay": 0.9, "gradient_clip_norm": 0.05, "conflict_every_steps": 1}
    adam = {"optimizer": {"name": "AdamW", "lr": 0.01}}
    frozen = {"model": {"name": "smooth_normed", "freeze_backbone_epochs": 1}, "epochs": 2}
    cases = {named(balancing): {"balancing": balancing} for balancing in ways() if balancing != FIXED}
    cases |= {"average": {"ema_decay": 0.9}, "clipped": {"gradient_clip_norm": 0.05}, "adam": adam}
    cases |= {"metered": {"conflict_every_steps": 1}, "all": whole, "all upgrad": whole | {"balancing": upgrad}}
    cases |= {"frozen": frozen, "frozen adam": frozen | adam, "frozen upgrad": frozen | {"balancing": upgrad}}
    cases |= {"frozen shared": frozen | {"balancing": {"name": "upgrad", "where": "shared"}}}
    return {f"{name} of {number}": keys(number, **changes) for name, changes in cases.items()}


def plain(*numbers: int) -> dict[str, dict]:
    """The sum of the losses, of so many micro-batches, with BatchNorm and without."""
    return {f"{pair} of {n}": keys(n, pair) for n in numbers for pair in ("smooth", "smooth_normed")}


SOME = ("smooth_normed of 4", "smooth_normed of 8", "upgrad shared of 4", "upgrad features of 4", "all of 4")
ALL = plain(*range(1, 9)) | balanced(4)
# Every form has some of them; and one of each number of processes has all that can be dealt to so many.
SCENARIOS: dict[Form, dict[str, dict]] = {form: {name: ALL[name] for name in SOME} for form in FORMS}
SCENARIOS |= {PLAIN: ALL, GROUP_OF_ONE: ALL}
SCENARIOS |= dict(zip(NOTEBOOK[:2], (plain(4, 8) | balanced(4), plain(3, 6) | balanced(6)), strict=True))
SCENARIOS[NOTEBOOK[2]] = plain(2, 4, 6, 8) | balanced(4)
CASES = [pytest.param(form, name, id=f"{form}-{name}") for form in FORMS for name in SCENARIOS[form]]
TO_THE_BIT = [case for case in CASES if case.values[0] != PLAIN and case.values[0].world <= 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("exact")


@pytest.fixture(scope="module")
def samples(folder) -> Samples:
    return plain_loop.read(runs.write_source(folder / "source", NUM_TRAIN, num_validation=4), "train")


@pytest.fixture(scope="module")
def launches(folder, samples) -> Launches:
    tasks = {"category": {"kind": "multiclass", "column": "category"}, "attribute": {"kind": "multilabel"}}
    weighted = {task: tasks[task] | {"weight": w} for task, w in zip(plain_loop.TASKS, plain_loop.WEIGHTS, strict=True)}
    path = runs.write_config(
        folder / "c.json",
        folder / "source",
        epochs=1,
        seed=4,  # whose first weights bring the tasks' gradients into conflict
        micro_batch_size=2,
        tasks=weighted,
        transforms={"train": runs.FIXED, "eval": runs.FIXED},
        optimizer={"name": "SGD", "lr": 0.1, "momentum": 0.9},
        scheduler=None,
        cpu_threads=1,  # `accelerate` would leave it to us, and take all cores
    )
    return Launches(folder, json.loads(path.read_text()), SCENARIOS)


@pytest.mark.parametrize(("form", "scenario"), CASES)
def test_the_optimizer_gets_the_gradients_of_a_plain_loop_in_float64(launches, samples, form, scenario):
    recording, config = launches.recording(form, scenario), launches.config | SCENARIOS[form][scenario]
    for step in recording.steps():
        place = f"{step['epoch']}.{step['step']}"
        expected = plain_loop.step_of(samples, config, step, recording.under(f"{place}/before"))
        largest = max(float(gradient.abs().max()) for gradient in expected.gradients.values())
        # Not of each entry's own size: a small one may be the difference of large ones, rounded to 7 digits.
        assert difference(recording.under(f"{place}/gradient"), expected.gradients) <= 1e-5 * largest, place
        if expected.weights is not None and step["weights"] is not None:
            assert step["weights"] == pytest.approx(expected.weights.tolist(), rel=1e-4, abs=1e-6), place
        elif step["weights"] is not None:
            assert sum(step["weights"]) == pytest.approx(len(plain_loop.TASKS)), place


@pytest.mark.parametrize(("form", "scenario"), CASES)
def test_the_processes_share_each_batch_and_hold_the_same_to_the_bit(launches, form, scenario):
    recording, size = launches.recording(form, scenario), SCENARIOS[form][scenario]["batch_size"]
    for step in recording.steps():
        ids = [i for part in step["ids"] for i in part if i >= 0]
        assert len(step["ids"]) == size // 2 and len(set(ids)) == len(ids) == min(size, NUM_TRAIN - step["step"] * size)
    for tensors in recording.tensors[1:]:
        assert_equal(of_the_run(tensors), of_the_run(recording.tensors[0]))


@pytest.mark.parametrize(("form", "scenario"), TO_THE_BIT)
def test_a_group_of_one_and_two_processes_end_with_the_weights_of_plain_python_to_the_bit(launches, form, scenario):
    assert_equal(*(of_the_run(launches.recording(each, scenario).tensors[0]) for each in (form, PLAIN)))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_each_form_starts_what_it_says(launches, form):
    """One process is alone, or is a group by itself: as far as DDP is concerned that is another thing."""
    expected = {"world": form.world, "is_group": form not in (PLAIN, NOTEBOOK[-1])}
    for record in launches.recording(form, next(iter(SCENARIOS[form]))).records:
        assert record.items() >= expected.items()


@pytest.mark.parametrize("scenario", balanced(4))
def test_what_is_compared_is_not_the_same_in_every_scenario(launches, scenario):
    own, fixed = (launches.recording(PLAIN, name) for name in (scenario, "smooth_normed of 4"))
    if scenario == "average of 4":
        assert difference(own.under("average"), own.under("final")) > 1e-3
    elif scenario in ("dwa of 4", "metered of 4"):  # weights of 1 for two epochs, and a meter that only looks
        assert_equal(own.under("final"), fixed.under("final"))
    else:
        assert difference(own.under("final"), fixed.under("final")) > 1e-4


def test_the_plain_loop_knows_every_way_to_balance():
    assert set(BALANCERS) == plain_loop.KNOWN, "plain_loop.py has to know what each does with gradients"


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def of_the_run(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradients of the recorded steps, and the weights at the end."""
    return {name: tensor for name, tensor in tensors.items() if "/before/" not in name}


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name, tensor in one.items() if not torch.equal(tensor, other[name])] == []
