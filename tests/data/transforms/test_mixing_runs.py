"""Runs that mix: the loss of the hand-computed mean, and the same weights after a restart.

That they are the same on any number of processes and loader workers is shown beside other runs, in test_elastic.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import real_runs as runs
import torch
from small_run import Small, Without

from mtl_accel import models
from mtl_accel.config import Config, read_config
from mtl_accel.core.errors import UserError
from mtl_accel.data.labels.dataset import read_dataset
from mtl_accel.preflight.benchmark.contestants.ours import Limit
from mtl_accel.preflight.benchmark.contestants.peer import differences
from mtl_accel.preflight.benchmark.prepare import prepare_run, start_accelerator
from mtl_accel.training import debug, engine
from mtl_accel.training.run import Run

MIXING = [{"name": "mixup", "alpha": 0.4, "probability": 0.5}, {"name": "cutmix", "probability": 0.5}]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=13)


def test_a_run_that_failed_in_an_epoch_on_one_process_goes_on_to_the_same_weights_on_two(source, tmp_path):
    shared = {"epochs": 1, "micro_batch_size": 2, "mixing": MIXING}
    whole = runs.write_config(tmp_path / "whole" / "c.json", source, **shared)
    broken = runs.write_config(tmp_path / "broken" / "c.json", source, **shared, checkpoint_every_steps=2)
    code, output = runs.finish(runs.start(broken, FAIL_ON_RANK="0"))
    assert code and "injected on process 0" in output
    assert "resuming at epoch 1, step 3" in runs.run(whole, "--also", str(broken), processes=2)
    assert runs.epochs(whole) == runs.epochs(broken)
    assert runs.digest(whole) == runs.digest(broken)


def config_of(source: Path, folder: Path, **changes: object) -> Config:
    return read_config(runs.write_config(folder / "c.json", source, **({"mixing": MIXING} | changes)))


@pytest.fixture
def pairs(monkeypatch, on_cpu) -> None:
    monkeypatch.setitem(models.MODELS, "small", Small)
    monkeypatch.setitem(models.MODELS, "without", Without)


def run_of(config: Config) -> Run:
    accelerator, micro_batch_size = start_accelerator(config)
    return prepare_run(config, accelerator, read_dataset(config), micro_batch_size)


def losses_by_hand(run: Run, batches: list) -> list[float]:
    """Each task's mean over all labels, each weighed by its share of the picture that the network saw."""
    sums = {name: [0.0, 0.0] for name in run.tasks}
    for batch in batches:
        pictures = run.pipelines.train.batched(batch.images, batch.key.rows, 0)
        for row in range(len(pictures)):
            partner, share = int(batch.mix.partners[row]), float(batch.mix.shares[row])
            top, left, bottom, right = batch.mix.boxes[row].tolist()
            picture = batch.mix.outside[row] * pictures[row] + (1 - batch.mix.outside[row]) * pictures[partner]
            box = batch.mix.inside[row] * pictures[row] + (1 - batch.mix.inside[row]) * pictures[partner]
            picture[:, top:bottom, left:right] = box[:, top:bottom, left:right]
            logits = run.unwrapped_objective.model(picture[None])
            for name in run.tasks:
                for label, weight in ((row, share), (partner, 1 - share)):
                    elements = run.losses[name](logits[name], batch.targets[name][label][None])
                    kept = elements[batch.masks[name][label][None]]
                    sums[name][0] += weight * float(kept.detach().sum())
                    sums[name][1] += weight * kept.numel()
    return [total / weight for total, weight in sums.values()]


def test_a_step_s_losses_are_the_means_computed_by_hand_the_last_and_padded_one_s_too(source, tmp_path, pairs):
    run = run_of(config_of(source, tmp_path, model={"name": "without"}))
    steps = list(run.train_loader.steps(0))
    assert bool((steps[-1][1][-1].ids < 0).any())
    for step, batches, counts in (steps[0], steps[-1]):
        found = engine.forward_backward(run, 0, step, batches, counts)
        assert found.tolist() == pytest.approx(losses_by_hand(run, batches), rel=1e-5)


def test_a_benchmark_trains_on_what_a_step_trains_on(source, tmp_path, pairs):
    config = config_of(source, tmp_path, model={"name": "without"})
    run = run_of(config)
    assert Limit(run).seconds(2) > 0
    assert "the peers do not mix pictures by mixup or cutmix" in differences(config, read_dataset(config))


def test_a_micro_batch_of_one_has_no_partners_and_is_told_before_any_picture_is_read(source, tmp_path, pairs):
    config = config_of(source, tmp_path, micro_batch_size=1)
    with pytest.raises(UserError, match=r"mixing: mixup takes a sample's partner .* set micro_batch_size to 2 or more"):
        run_of(config)


def test_more_than_every_sample_cannot_be_mixed(source, tmp_path):
    both = [{"name": "mixup"}, {"name": "cutmix", "probability": 0.5}]
    with pytest.raises(UserError, match=r"mixing: the probabilities add up to 1\.5, .* at most 1"):
        config_of(source, tmp_path, mixing=both)
    for wrong in ({"name": "mixup", "alpha": 0}, {"name": "cutmix", "probability": 1.2}, {"name": "mixUp"}):
        with pytest.raises(UserError, match="mixing"):
            config_of(source, tmp_path, mixing=[wrong])


def test_a_batch_that_is_to_be_learnt_by_heart_is_not_mixed(source, tmp_path):
    config = config_of(source, tmp_path)
    assert config.mixing and debug.config_for(config, "overfit").mixing == ()
    assert debug.config_for(config, "batches").mixing == config.mixing


def test_half_precision_trains_on_mixed_pictures(source, tmp_path, pairs):
    run = run_of(config_of(source, tmp_path, mixed_precision="bf16"))
    (step, batches, counts), *_ = run.train_loader.steps(0)
    assert torch.isfinite(engine.forward_backward(run, 0, step, batches, counts)).all()
