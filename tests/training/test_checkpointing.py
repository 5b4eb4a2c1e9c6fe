"""A run that goes on under a changed config: what the config says holds from there on, or is refused in plain words."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import real_runs as runs
import torch

import mtl_accel
from mtl_accel.core.errors import UserError
from mtl_accel.runs import checkpoint

pytestmark = pytest.mark.slow

CHANGES = "--resume.allow_changes"
STILL = {"optimizer": {"name": "AdamW", "lr": 1e-30}, "scheduler": None}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=33)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, source) -> Path:
    """A config of two epochs that ran to their end: without BatchNorm, so that weights alone decide a metric."""
    config = runs.write_config(tmp_path_factory.mktemp("trained") / "c.json", source, model={"name": "without"})
    runs.run(config)
    return config


def go_on(trained: Path, folder: Path, source: Path, **changes) -> tuple[Path, int, str]:
    """A config in another folder that goes on from the trained one."""
    config = runs.write_config(folder / "c.json", source, **{"model": {"name": "without"}, "epochs": 4, **changes})
    code, output = runs.finish(runs.start(config, "--resume", str(runs.run_dir(trained)), CHANGES))
    return config, code, output


def last_weights(config: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(runs.run_dir(config) / "checkpoints").tensors["model"]


def test_a_changed_learning_rate_is_used_and_told(trained, source, tmp_path):
    config, code, output = go_on(trained, tmp_path, source, **STILL)
    assert code == 0, output
    assert "optimizer.lr: is 1e-30, and was 0.003" in (runs.run_dir(config) / "log.txt").read_text()
    assert [row["lr"] for row in runs.epochs(config)] == [1e-30, 1e-30]
    before = last_weights(trained)
    assert all(torch.equal(tensor, before[name]) for name, tensor in last_weights(config).items())


def test_a_run_that_no_later_epoch_improves_on_ends_in_the_model_of_the_one_it_went_on_from(trained, source, tmp_path):
    config, code, output = go_on(trained, tmp_path, source, **STILL)
    assert code == 0, output
    assert runs.digest(config) == runs.digest(trained)


def test_a_run_without_an_epoch_to_train_still_ends_in_a_model(trained, source, tmp_path):
    config, code, output = go_on(trained, tmp_path, source, epochs=2)
    assert code == 0, output
    assert runs.digest(config) == runs.digest(trained)


def test_a_longer_cosine_goes_on_at_the_rate_of_the_longer_one(source, tmp_path):
    cosine = {"name": "CosineAnnealingLR"}
    short = runs.write_config(tmp_path / "short.json", source, model={"name": "without"}, scheduler=cosine)
    runs.run(short)
    long, code, output = go_on(short, tmp_path / "long", source, scheduler=cosine)
    assert code == 0, output
    wanted = [0.003 * (1 + math.cos(math.pi * epoch / 4)) / 2 for epoch in (2, 3)]
    assert [row["lr"] for row in runs.epochs(long)] == pytest.approx(wanted, abs=1e-12)


def test_the_best_epoch_is_judged_anew_by_another_rule(trained, source, tmp_path):
    config, code, output = go_on(trained, tmp_path, source, select_by="loss")
    assert code == 0, output
    before = runs.end_of(trained)["best"]["loss"]
    losses = [before, *(row["validation"]["loss"] for row in runs.epochs(config))]
    assert runs.end_of(config)["best"]["loss"] == min(losses)


def test_an_epoch_under_way_begins_again_when_its_batches_are_others(source, tmp_path):
    stopped = runs.write_config(tmp_path / "c.json", source, checkpoint_every_steps=1)
    code, _ = runs.finish(runs.start(stopped, FAIL_ON_RANK="0"))
    assert code != 0
    config = runs.write_config(tmp_path / "other" / "c.json", source, batch_size=4)
    runs.run(config, "--resume", str(runs.run_dir(stopped)), CHANGES, TRACE="1")
    first = [step["ids"] for step in runs.trace(config) if step["epoch"] == 0]
    ids = sorted(id for step in first for part in step for id in part if id >= 0)
    assert ids == list(range(37))


@pytest.mark.parametrize(
    ("knob", "changes"),
    [
        ("model and the tasks' columns", {"model": {"name": "deep"}}),
        ("model and the tasks' columns", {"tasks": {"category": {"kind": "multiclass", "column": "category"}}}),
        ("balancing", {"balancing": {"name": "uncertainty"}}),
        ("optimizer.name", {"optimizer": {"name": "SGD", "lr": 0.003}}),
        ("no_decay_on_norms_and_biases", {"no_decay_on_norms_and_biases": True}),
    ],
)
def test_what_cannot_change_is_refused_by_the_name_of_its_knob(knob, changes, trained, source, tmp_path):
    _, code, output = go_on(trained, tmp_path, source, **changes)
    assert code == 2, output
    assert knob in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    "schedule",
    [
        {"scheduler": {"name": "OneCycleLR"}},
        {"scheduler": {"name": "CosineAnnealingLR", "every": "step"}, "warmup_epochs": 2.5},
    ],
)
def test_another_schedule_is_followed_from_the_step_that_the_run_has_come_to(schedule, trained, source, tmp_path):
    resumed, code, output = go_on(trained, tmp_path / "resumed", source, **schedule)
    assert code == 0, output
    changes = {"model": {"name": "without"}, "epochs": 4, **schedule}
    whole = runs.write_config(tmp_path / "whole" / "c.json", source, **changes)
    runs.run(whole)
    assert [row["lr"] for row in runs.epochs(resumed)] == [row["lr"] for row in runs.epochs(whole)][2:]


def test_overwrite_leaves_a_folder_that_is_no_run_as_it_is(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source)
    (runs.run_dir(config) / "src").mkdir(parents=True)
    for name in ("config.json", "src/a.py"):
        (runs.run_dir(config) / name).write_text("{}")
    for more in ("config.json", "log.jsonl"):
        (runs.run_dir(config) / more).write_text("{}")
        code, output = runs.finish(runs.start(config, "--overwrite"))
        assert code == 2
        assert "run_dir" in output
        assert (runs.run_dir(config) / "src" / "a.py").exists()


def test_overwrite_does_not_delete_what_the_run_is_to_go_on_from(trained):
    code, output = runs.finish(runs.start(trained, "--overwrite", "--resume", str(runs.run_dir(trained))))
    assert code == 2
    assert "--overwrite" in output
    assert last_weights(trained)


def test_overwrite_with_names_that_are_not_there_leaves_the_run_as_it_is(trained):
    wrong = {"model.name": "resnet19_linear", "optimizer": {"name": "RMSprop", "lr": 1e-3, "alhpa": 0.9}}
    with pytest.raises(UserError, match=r"model\.name(.|\n)*alhpa"):
        mtl_accel.train(mtl_accel.read_config(trained, wrong), overwrite=True)
    assert last_weights(trained)


def test_a_run_with_checkpoints_of_its_own_is_not_thrown_away_for_those_of_another(trained, source, tmp_path):
    config, code, output = go_on(trained, tmp_path, source)
    assert code == 0, output
    first = runs.digest(config)
    code, output = runs.finish(runs.start(config, "--resume", str(runs.run_dir(trained)), CHANGES))
    assert code == 2
    assert "leave out --resume" in output
    assert runs.digest(config) == first
