"""Balanced training on real processes: however the work is dealt, one set of weights and one result."""

from __future__ import annotations

import json
import os
from pathlib import Path

import balanced_steps
import pytest
import real_runs as runs
from safetensors.torch import load_file
from torch import Tensor

from mtl_accel.objective.balancing import BALANCERS, GradientBalancer

pytestmark = pytest.mark.slow

ON_GRADIENTS = [name for name, kind in BALANCERS.items() if issubclass(kind, GradientBalancer)]
CASES = {f"{name} shared": {"name": name, "where": "shared"} for name in ON_GRADIENTS}
CASES |= {f"{name} features": {"name": name, "where": "features"} for name in ("gradnorm", "upgrad")}
CASES |= {name: {"name": name} for name in ("fixed", "uncertainty", "dwa", "random")}
FROZEN = [f"{name} {where}" for name in ("gradnorm", "upgrad") for where in ("shared", "features")]
WORLDS = (1, 2, 4)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("balanced") / "source", num_train=37, num_validation=5)


def steps(base: Path, source: Path, world: int, cases: dict[str, dict], **changes) -> dict[str, dict[str, Tensor]]:
    """The weights of every case after 20 steps of four micro-batches, dealt to so many processes."""
    # No BatchNorm, whose statistics are those of a micro-batch.
    changes = {"epochs": 4, "model": {"name": "without"}, "micro_batch_size": 2, "scheduler": None} | changes
    config = runs.write_config(base / str(world) / "c.json", source, **changes)
    command = [str(config), json.dumps(cases)]
    environment = {"ACCELERATE_USE_CPU": "true"}
    code, output = runs.finish(runs.fork(balanced_steps.main, command, environment, base / f"printed{world}", world))
    assert code == 0, output
    return {name: load_file(runs.run_dir(config) / f"{name}.safetensors") for name in cases}


@pytest.fixture(scope="module")
def after_20_steps(source, tmp_path_factory) -> dict[int, dict[str, dict[str, Tensor]]]:
    base = tmp_path_factory.mktemp("steps")
    return {world: steps(base, source, world, CASES) for world in WORLDS}


@pytest.fixture(scope="module")
def in_bfloat16(source, tmp_path_factory) -> dict[int, dict[str, dict[str, Tensor]]]:
    base = tmp_path_factory.mktemp("bf16")
    return {world: steps(base, source, world, CASES, mixed_precision="bf16") for world in WORLDS[:2]}


@pytest.fixture(scope="module")
def partly_frozen(source, tmp_path_factory) -> dict[int, dict[str, dict[str, Tensor]]]:
    """The backbone stands still for two epochs of four."""
    base = tmp_path_factory.mktemp("frozen")
    model = {"name": "without", "freeze_backbone_epochs": 2}
    cases = {name: CASES[name] for name in FROZEN}
    return {world: steps(base, source, world, cases, model=model) for world in WORLDS[:2]}


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("world", WORLDS[1:])
def test_many_processes_have_the_weights_of_one_after_20_steps(after_20_steps, case, world):
    one = after_20_steps[1]
    assert difference(one[case], after_20_steps[world][case]) < 1e-5
    assert case == "fixed" or difference(one[case], one["fixed"]) > 1e-4


@pytest.mark.parametrize("case", CASES)
def test_in_bfloat16_two_processes_have_the_weights_of_one_near_those_of_float32(after_20_steps, in_bfloat16, case):
    assert difference(in_bfloat16[1][case], in_bfloat16[2][case]) < 1e-5
    assert 0 < difference(in_bfloat16[1][case], after_20_steps[1][case]) < 0.02


@pytest.mark.parametrize("case", FROZEN)
def test_a_backbone_that_is_frozen_at_first_learns_the_same_on_two_processes(after_20_steps, partly_frozen, case):
    one, two = partly_frozen[1][case], partly_frozen[2][case]
    assert difference(one, two) < 1e-5
    assert difference(one, after_20_steps[1][case]) > 1e-4


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory) -> dict[tuple[str, int], Path]:
    """Whole runs with BatchNorm and dropout, in two micro-batches a step: one process runs both, or two one each."""
    base = tmp_path_factory.mktemp("whole")
    wanted = {name: {"balancing": CASES[name]} for name in ("fixed", "upgrad features", "gradnorm shared", "dwa")}
    wanted["metered"] = {"balancing": CASES["fixed"], "conflict_every_steps": 2}
    made = {}
    for world in (1, 2):
        for name, changes in wanted.items():
            path = base / f"{name}{world}".replace(" ", "-") / "c.json"
            made[name, world] = runs.write_config(path, source, **changes, epochs=3, scheduler=None)
        first, *others = (path for (_, number), path in made.items() if number == world)
        runs.run(first, "--also", os.pathsep.join(map(str, others)), processes=world)
    return made


def weights(config: Path) -> dict[str, Tensor]:
    return load_file(runs.run_dir(config) / "model" / "model.safetensors")


def rows(config: Path, event: str) -> list[dict]:
    lines = (runs.run_dir(config) / "log.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["event"] == event]


@pytest.mark.parametrize("case", ["upgrad features", "gradnorm shared", "dwa"])
def test_two_processes_with_a_micro_batch_each_end_like_one_with_both(whole, case):
    """The Gramian at the features then needs no round of its own; BatchNorm's counter would notice a second one."""
    one, two = weights(whole[case, 1]), weights(whole[case, 2])
    assert difference(one, two) < 1e-5
    best_epoch = rows(whole[case, 1], "end")[0]["best_epoch"]
    assert [int(value) for name, value in one.items() if name.endswith("num_batches_tracked")] == [5 * best_epoch] * 2


@pytest.mark.parametrize("case", ["upgrad features", "gradnorm shared", "dwa"])
def test_the_log_tells_the_mean_weights_of_each_epoch(whole, case):
    logged = [row["task_weights"] for row in rows(whole[case, 1], "epoch")]
    assert len(logged) == 3 and all(set(each) == {"category", "attribute"} for each in logged)
    assert all(value > 0 for value in logged[-1].values())
    assert "task_weights" not in rows(whole["fixed", 1], "epoch")[0]


@pytest.mark.parametrize("world", [1, 2])
def test_the_conflict_meter_changes_no_bit_and_says_the_same_on_any_processes(whole, world):
    assert runs.digest(whole["metered", world]) == runs.digest(whole["fixed", world])
    found, one = rows(whole["metered", world], "conflict"), rows(whole["metered", 1], "conflict")
    assert [(row["epoch"], row["step"]) for row in found] == [(e, s) for e in (1, 2, 3) for s in (1, 3, 5)]
    for row, expected in zip(found, one, strict=True):
        (pair,), (same,) = row["pairs"], expected["pairs"]
        assert pair["tasks"] == ["category", "attribute"] and -1 <= pair["cosine"] <= 1 and pair["norm_ratio"] > 0
        assert pair["cosine"] == pytest.approx(same["cosine"], abs=1e-5)
        assert pair["norm_ratio"] == pytest.approx(same["norm_ratio"], rel=1e-5)


@pytest.mark.parametrize("case", ["upgrad features", "gradnorm shared", "dwa", "metered"])
def test_a_run_that_failed_within_an_epoch_goes_on_to_the_same_weights_and_log(whole, tmp_path, case):
    changed = json.loads(whole[case, 1].read_text())
    changed |= {"run_dir": str(tmp_path / "run"), "checkpoint_every_steps": 1}
    config = tmp_path / "c.json"
    config.write_text(json.dumps(changed))
    code, output = runs.finish(runs.start(config, FAIL_ON_RANK="0", FAIL_IN_EPOCH="2"))
    assert code == 1, output
    runs.run(config)
    assert runs.digest(config) == runs.digest(whole[case, 1])
    for event in ("epoch", "conflict"):
        logged, expected = ([without_speed(row) for row in rows(path, event)] for path in (config, whole[case, 1]))
        assert logged == expected


def without_speed(row: dict) -> dict:
    return {key: value for key, value in row.items() if key not in ("seconds", "images_per_second")}


def test_in_bfloat16_a_method_on_gradients_finds_the_weights_of_float32(source, tmp_path):
    """Accelerate casts what a model gives to float32, and a gradient at a copy of the features would be none."""
    cases = [(name, where) for name in ON_GRADIENTS for where in ("shared", "features")]
    configs: dict[str, list[Path]] = {}
    started: list[runs.Processes] = []
    for precision in ("no", "bf16"):  # side by side, a core each
        changes = {"model": {"name": "without"}, "epochs": 1, "mixed_precision": precision}
        configs[precision] = [
            runs.write_config(
                tmp_path / precision / f"{name}-{where}.json",
                source,
                **changes
                | {"balancing": {"name": name, "where": where}, "run_dir": str(tmp_path / precision / name / where)},
            )
            for name, where in cases
        ]
        first, *others = configs[precision]
        started.append(runs.start(first, "--also", os.pathsep.join(map(str, others))))
    for each in started:
        code, output = runs.finish(each)
        assert code == 0, output
    found = {
        precision: [list(rows(config, "epoch")[0]["task_weights"].values()) for config in of_precision]
        for precision, of_precision in configs.items()
    }
    for case, exact, low in zip(cases, *found.values(), strict=True):
        assert exact != [1.0, 1.0], case
        assert low == pytest.approx(exact, rel=0.05), case
