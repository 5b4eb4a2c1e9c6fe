"""Runs with a transform of torchvision's own: one result whatever workers, caches, processes and restarts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import kill_many
import numpy as np
import pytest
import real_runs as runs
import torch
from loading_cases import pixels_of, split_of, targets_of
from torchvision_cases import per_sample_of

from mtl_accel.data.loading.loader import MicroBatches, TrainingLoader, TrainingOrder

pytestmark = pytest.mark.slow

TRANSFORMS = {
    "train": [
        {"name": "Resize", "size": [36, 36]},
        {"name": "RandomHorizontalFlip"},
        {"name": "RandomPerspective", "distortion_scale": 0.3, "p": 0.8},
        {"name": "ColorJitter", "brightness": 0.2, "contrast": 0.2},
        {"name": "RandomCrop", "size": 32},
        {"name": "RandomRotation", "degrees": [-20, 20]},
        {"name": "TrivialAugmentWide", "batched": False},
        {"name": "RandAugment"},
        {"name": "Normalize"},
    ],
    "eval": [{"name": "Resize", "size": [32, 32]}, {"name": "Normalize"}],
}
# Name: (keys of the data section, numbers of processes).
SCENARIOS = {
    "plain": ({"num_workers": 0, "cache": "disk"}, (1, 2)),
    "disk": ({"num_workers": 2, "cache": "disk"}, (1, 2)),
    "none": ({"num_workers": 2, "cache": "none"}, (1,)),
    "device": ({"num_workers": 2, "cache": "device"}, (1,)),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=13)


@pytest.fixture(scope="module")
def configs(source, tmp_path_factory) -> dict[tuple[str, int], Path]:
    """Every scenario on every number of processes, run for real; one launch a number of processes."""
    base, made = tmp_path_factory.mktemp("runs"), {}
    for name, (data, worlds) in SCENARIOS.items():
        whole = {"source": str(source), "cache_dir": str(source / "cache"), **data}
        for world in worlds:
            path = base / f"{name}{world}" / "c.json"
            made[name, world] = runs.write_config(path, source, data=whole, transforms=TRANSFORMS)
    for world in (1, 2):
        first, *others = (path for (_, number), path in made.items() if number == world)
        runs.run(first, "--also", os.pathsep.join(map(str, others)), processes=world, TRACE="1")
    return made


@pytest.mark.parametrize("case", [(name, world) for name, (_, worlds) in SCENARIOS.items() for world in worlds][1:])
def test_workers_caches_and_processes_change_nothing(configs, case):
    plain, other = configs["plain", 1], configs[case]
    assert runs.trace(plain) == runs.trace(other)
    assert runs.epochs(plain) == runs.epochs(other)
    assert runs.digest(plain) == runs.digest(other)


def test_the_log_says_which_transforms_make_the_run_slower(configs):
    lines = (runs.run_dir(configs["disk", 1]) / "log.txt").read_text().splitlines()
    (line,) = [line for line in lines if "RandomPerspective, RandomCrop" in line]
    assert "picture by picture on the CPU in 2 loader workers of each process; slower" in line


def test_a_run_that_is_stopped_and_resumed_within_an_epoch_ends_with_the_same_weights(source, tmp_path):
    data = {"source": str(source), "cache_dir": str(source / "cache"), "num_workers": 2}
    changes = {"data": data, "transforms": TRANSFORMS, "epochs": 2, "checkpoint_every_steps": 1}
    whole = runs.write_config(tmp_path / "whole" / "c.json", source, **changes)
    cut = runs.write_config(tmp_path / "cut" / "c.json", source, **changes)
    runs.run(whole)
    code, output = runs.finish(runs.start(cut, FAIL_ON_RANK="0"))  # in the third step
    assert code != 0, output
    assert kill_many.last_step(cut) == 2
    # As a run saved it before there were batched ones.
    saved = runs.run_dir(cut) / "config.json"
    config = json.loads(saved.read_text())
    del next(t for t in config["transforms"]["train"] if t["name"] == "TrivialAugmentWide")["batched"]
    saved.write_text(json.dumps(config))
    runs.run(cut)
    assert runs.digest(cut) == runs.digest(whole)
    assert runs.epochs(cut) == runs.epochs(whole)


def test_wrong_arguments_end_the_run_before_the_source_is_read(source, tmp_path):
    wrong = [*TRANSFORMS["train"][:2], {"name": "RandomPerspective", "distortion": 1}, {"name": "JPEG"}]
    transforms = {**TRANSFORMS, "train": [*wrong, TRANSFORMS["train"][-1]]}
    nowhere = {"source": str(tmp_path / "nowhere")}
    config = runs.write_config(tmp_path / "c.json", source, transforms=transforms, data=nowhere)
    code, output = runs.finish(runs.start(config))
    assert code == 2
    assert 'error: transforms.train.2: RandomPerspective with {"distortion": 1} is refused by torchvision' in output
    assert "error: transforms.train.3: JPEG with {} is refused by torchvision" in output
    assert "nowhere" not in output and "Traceback" not in output
    assert runs.status(config)["status"] == "failed"


@pytest.mark.parametrize("cache", ["disk", "none", "device"])
def test_workers_serve_every_cache_and_give_the_batches_that_one_process_gives(tmp_path, cache):
    split, targets = split_of(13), targets_of(13)
    done = per_sample_of({"name": "RandomAffine", "degrees": 90}, {"name": "RandomCrop", "size": [5, 4]}, size=(6, 5))

    def loader(num_workers: int) -> TrainingLoader:
        data = MicroBatches(pixels_of(split, tmp_path, cache=cache), targets, done)
        return TrainingLoader(data, TrainingOrder(13, 4, 2, 0), 0, 1, num_workers, torch.device("cpu"))

    alone, shared = loader(0), loader(2)
    stored = pixels_of(split, tmp_path)
    assert shared._loader.num_workers == 2
    for epoch, first_step in ((0, 0), (3, 2), (1, 0)):
        for found, expected in zip(shared.steps(epoch, first_step), alone.steps(epoch, first_step), strict=True):
            for batch, other in zip(found[1], expected[1], strict=True):
                rows = np.asarray(batch.key.rows)
                assert torch.equal(batch.images, other.images)
                assert torch.equal(batch.images, done(stored.read(rows), rows, epoch))


def test_pictures_that_arrive_as_float32_are_the_same_in_both_rounds_of_a_step(source, tmp_path):
    """Balancing at the features runs the micro-batches of a step twice: first to measure, then to train.

    In one micro-batch a step there is one round, so with a network that sees each picture by itself both are equal.
    """
    without_rotation = [t for t in TRANSFORMS["train"] if t["name"] != "RandomRotation"]  # it leaves them as they are
    transforms, losses = TRANSFORMS | {"train": without_rotation}, []
    for micro_batch_size in (8, 4):
        changes = {"model": {"name": "without"}, "balancing": {"name": "gradnorm", "where": "features"}, "epochs": 1}
        path = tmp_path / str(micro_batch_size) / "c.json"
        config = runs.write_config(path, source, micro_batch_size=micro_batch_size, transforms=transforms, **changes)
        runs.run(config)
        losses.append(runs.epochs(config)[0]["train"]["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
