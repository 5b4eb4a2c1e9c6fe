"""Optimizers and schedules in real runs: killed, resumed, on one process and two, they end as runs left alone."""

from __future__ import annotations

import os
from pathlib import Path

import kill_many
import pytest
import real_runs as runs
import torch

from mtl_accel.runs import checkpoint

pytestmark = pytest.mark.slow

FINISHED = {"kills": 1, "resumes": 1, "steps_lost": 0, "finished": "finished", "equal": True}
# No metric rises by 5, so the rate falls after every epoch but the first.
PLATEAU = {"name": "ReduceLROnPlateau", "factor": 0.5, "patience": 0, "threshold": 5.0, "threshold_mode": "abs"}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=13)


def optimizer_tensors(config: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.load(runs.run_dir(config) / "checkpoints")
    assert found is not None
    return found.tensors["optimizer"]


def test_groups_a_plateau_and_an_optimizer_with_momentum_are_resumed_to_the_bit(tmp_path):
    outcome = kill_many.kill_many(
        tmp_path,
        1,
        [2, 1],
        optimizer={"name": "RMSprop", "lr": 0.001, "alpha": 0.9, "momentum": 0.9, "weight_decay": 0.01},
        no_decay_on_norms_and_biases=True,
        model={"name": "small", "freeze_backbone_epochs": 1, "backbone_lr_scale": 0.3},
        scheduler=PLATEAU,
        warmup_epochs=0.5,
    )
    assert outcome == FINISHED
    rates = [row["lr"] for row in runs.epochs(tmp_path / "killed" / "c.json")]
    assert rates == [row["lr"] for row in runs.epochs(tmp_path / "alone" / "c.json")]
    assert len(set(rates)) > 2


def test_an_optimizer_of_timm_with_a_sequence_is_resumed_to_the_bit(tmp_path):
    parts = [{"name": "LinearLR", "start_factor": 0.1, "every": "step"}, {"name": "CosineAnnealingLR", "every": "step"}]
    outcome = kill_many.kill_many(
        tmp_path,
        1,
        [1, 2],
        optimizer={"name": "timm/lamb", "lr": 0.005, "weight_decay": 0.02},
        scheduler={"name": "SequentialLR", "schedulers": parts, "milestones": [1]},
        model={"name": "small", "backbone_lr_scale": 0.3},
    )
    assert outcome == FINISHED
    alone, killed = (optimizer_tensors(tmp_path / name / "c.json") for name in ("alone", "killed"))
    assert "group0.step" in alone
    assert alone.keys() == killed.keys() and all(torch.equal(alone[key], killed[key]) for key in alone)


OPTIMIZERS = [
    {"name": "Adafactor", "lr": 0.01},
    {"name": "Adagrad", "lr": 0.01},
    {"name": "Rprop", "lr": 0.001},
    {"name": "timm/muon", "lr": 0.01},
]


def test_one_and_two_processes_end_with_equal_weights(source, tmp_path):
    made = {
        (options["name"], world): runs.write_config(
            tmp_path / f"{number}-{world}" / "c.json", source, optimizer=options, scheduler=None, epochs=1
        )
        for number, options in enumerate(OPTIMIZERS)
        for world in (1, 2)
    }
    for world in (1, 2):
        first, *others = (path for (_, number), path in made.items() if number == world)
        runs.run(first, "--also", os.pathsep.join(map(str, others)), processes=world)
    for options in OPTIMIZERS:
        one, two = made[options["name"], 1], made[options["name"], 2]
        assert (runs.digest(one), runs.epochs(one)) == (runs.digest(two), runs.epochs(two)), options["name"]


def test_a_plateau_follows_the_loss_on_every_process_and_another_patience_from_the_same_scores(source, tmp_path):
    # Weights that stand still improve nothing, so each epoch but the first is a bad one.
    schedule = {**PLATEAU, "eps": 0.0}
    changes = runs.STILL | {"scheduler": schedule, "select_by": "loss", "epochs": 4}
    config = runs.write_config(tmp_path / "c.json", source, **changes)
    runs.run(config, processes=2)
    assert [row["lr"] for row in runs.epochs(config)] == pytest.approx([1e-30, 1e-30, 5e-31, 2.5e-31], rel=1e-9, abs=0)
    slower = changes | {"epochs": 6, "scheduler": {**schedule, "patience": 1}}
    longer = runs.write_config(tmp_path / "longer" / "c.json", source, **slower)
    runs.run(longer, "--resume", str(runs.run_dir(config)), "--resume.allow_changes")
    assert [row["lr"] for row in runs.epochs(longer)] == pytest.approx([5e-31, 2.5e-31], rel=1e-9, abs=0)


def test_wrong_arguments_end_the_run_before_data_are_read(tmp_path, source):
    optimizer = {"name": "RMSprop", "lr": 0.1, "alhpa": 0.9}
    config = runs.write_config(tmp_path / "c.json", tmp_path / "nothing", optimizer=optimizer)
    code, output = runs.finish(runs.start(config, processes=2))
    assert code == 2 and "did you mean 'alpha'" in output and "Traceback" not in output
