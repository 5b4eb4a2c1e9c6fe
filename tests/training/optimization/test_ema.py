"""Average of the weights, frozen backbone and early stopping, in real runs: killed, resumed, on one process and two."""

from __future__ import annotations

import json
from pathlib import Path

import kill_many
import pytest
import real_runs as runs
import torch
from safetensors.torch import load_file
from small_run import Small, Without
from torch import nn

from mtl_accel import models
from mtl_accel.config import read_json, validate
from mtl_accel.runs import changes, checkpoint
from mtl_accel.runs.checkpoint import Checkpoint
from mtl_accel.training import checkpointing
from mtl_accel.training.early_stopping import reason, update
from mtl_accel.training.optimization.ema import WeightAverage
from mtl_accel.training.state import Progress
from mtl_accel.training.train import train

pytestmark = pytest.mark.slow

STEPS = 5  # of an epoch of 37 images
DECAY = 0.7


@pytest.fixture(scope="module", autouse=True)
def small_pairs():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(models.MODELS, "small", Small)
        patch.setitem(models.MODELS, "without", Without)
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return runs.write_source(tmp_path_factory.mktemp("source"), num_train=37, num_validation=13)


@pytest.fixture(scope="module")
def averaged(tmp_path_factory, source) -> Path:
    """A run that averages and begins with a frozen backbone; every step is kept."""
    config = runs.write_config(
        tmp_path_factory.mktemp("averaged") / "c.json",
        source,
        model={"name": "small", "freeze_backbone_epochs": 1},
        optimizer={"name": "AdamW", "lr": 0.01, "weight_decay": 0.5},
        ema_decay=DECAY,
        checkpoint_every_steps=1,
        keep_last=100,
    )
    train_here(config)
    return config


def train_here(config: Path):
    return train(validate(read_json(config), str(config)))


def step_of(config: Path, step: int) -> Checkpoint:
    found = checkpoint.load(runs.run_dir(config) / "checkpoints" / checkpoint.step_name(step))
    assert found is not None
    return found


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def part(state: dict[str, torch.Tensor], name: str) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if key.startswith(name)}


def test_everything_at_once_killed_on_one_process_and_two_ends_as_a_run_left_alone(tmp_path):
    outcome = kill_many.kill_many(
        tmp_path,
        2,
        [2, 1],
        ema_decay=0.95,
        no_decay_on_norms_and_biases=True,
        model={"name": "small", "freeze_backbone_epochs": 2, "backbone_lr_scale": 0.3, "layer_lr_decay": 0.8},
        scheduler={"name": "CosineAnnealingLR", "every": "step"},
        warmup_epochs=0.5,
        gradient_clip_norm=1.0,
        early_stopping={"patience": 50},
    )
    assert outcome == {"kills": 2, "resumes": 2, "steps_lost": 0, "finished": "finished", "equal": True}
    alone, killed = (load_last(tmp_path / name / "c.json") for name in ("alone", "killed"))
    assert all(same(alone.tensors[group], killed.tensors[group]) for group in ("model", "ema", "optimizer"))


def load_last(config: Path) -> Checkpoint:
    found = checkpoint.load(runs.run_dir(config) / "checkpoints")
    assert found is not None
    return found


def test_a_frozen_backbone_stands_still_to_the_bit_and_has_no_state_in_the_optimizer(averaged):
    first, last = step_of(averaged, 1), step_of(averaged, STEPS)
    assert same(part(first.tensors["model"], "backbone"), part(last.tensors["model"], "backbone"))
    assert int(last.tensors["model"]["backbone.1.num_batches_tracked"]) == 0
    assert not same(part(first.tensors["model"], "heads"), part(last.tensors["model"], "heads"))
    assert len({name.partition(".")[0] for name in last.tensors["optimizer"]}) == 4  # weight and bias of two heads


def test_an_unfrozen_backbone_trains_and_its_optimizer_counts_from_there(averaged):
    frozen, after = step_of(averaged, STEPS), step_of(averaged, STEPS + 3)
    before, now = (part(state.tensors["model"], "backbone") for state in (frozen, after))
    assert [name for name in now if torch.equal(now[name], before[name])] == []
    counts = sorted(int(value) for name, value in after.tensors["optimizer"].items() if name.endswith(".step"))
    assert counts == [3] * 6 + [STEPS + 3] * 4


def test_the_average_is_the_recursion_over_the_weights_of_every_step(averaged):
    expected = step_of(averaged, 1).tensors["ema"]
    for step in range(1, 2 * STEPS):
        saved, decay = step_of(averaged, step + 1).tensors, min(DECAY, (1 + step) / (10 + step))
        for name, value in saved["model"].items():
            if value.is_floating_point():
                expected[name] = decay * expected[name] + (1 - decay) * value
                torch.testing.assert_close(saved["ema"][name], expected[name])
            else:
                assert torch.equal(saved["ema"][name], value)
    assert not same(saved["ema"], saved["model"])


def test_validation_and_the_finished_model_have_the_averaged_weights(averaged):
    best = checkpoint.load(runs.run_dir(averaged) / "checkpoints" / checkpoint.BEST)
    assert best is not None
    assert same(load_file(runs.run_dir(averaged) / "model" / "model.safetensors"), best.tensors["ema"])
    logits, _ = checkpointing.best_validation(best)
    row = runs.epochs(averaged)[best.state["progress"]["best_epoch"] - 1]
    assert row["validation"] == best.state["progress"]["best"] and logits.shape == (13, 6)


def test_averaged_weights_change_places_and_come_back_to_the_bit():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = WeightAverage(model, 0.9)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    model[0].weight.data += 1
    model(torch.randn(5, 3))
    trained = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError), average.applied():
        assert same(dict(model.state_dict()), start)
        raise ValueError
    assert same(dict(model.state_dict()), trained)
    average.update(0)  # the first step counts nine tenths
    torch.testing.assert_close(average.state_dict()["0.weight"], start["0.weight"] + 0.9)
    other = WeightAverage(model, 0.9)
    other.load_state_dict(average.state_dict())
    assert same(other.state_dict(), average.state_dict()) and same(dict(model.state_dict()), trained)


def test_weights_that_stand_still_are_their_own_average_to_the_bit():
    model = nn.Linear(100, 100)
    average = WeightAverage(model, 0.999)
    for step in range(50):
        average.update(step)
    assert same(average.state_dict(), dict(model.state_dict()))


STILL = {"model": {"name": "without"}, "optimizer": {"name": "SGD", "lr": 1e-30}, "epochs": 9}


@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_whose_validation_stands_still_ends_early_and_is_finished(source, tmp_path, processes):
    config = runs.write_config(tmp_path / "c.json", source, early_stopping={"patience": 2}, **STILL)
    output = runs.run(config, processes=processes)
    assert [row["epoch"] for row in runs.epochs(config)] == [1, 2, 3]
    status = runs.status(config)
    assert (status["status"], status["epoch"], status["best_epoch"], status["exit_code"]) == ("finished", 3, 1, 0)
    assert status["message"].startswith("stopped early after epoch 3 of 9: mean has not improved for 2 epochs")
    assert status["message"] in output
    assert (runs.run_dir(config) / "model" / "model.safetensors").exists()


def test_a_run_that_was_cut_off_after_its_last_epoch_ends_as_the_other_did(source, tmp_path):
    config = runs.write_config(tmp_path / "c.json", source, early_stopping={"patience": 1}, **STILL)
    train_here(config)
    digest = runs.digest(config)
    (runs.run_dir(config) / "status.json").write_text(json.dumps({"status": "running"}))
    train_here(config)
    assert [row["epoch"] for row in runs.epochs(config)] == [1, 2]
    assert runs.digest(config) == digest and runs.status(config)["status"] == "finished"


def test_patience_counts_from_the_last_improvement_by_more_than_min_delta(source, tmp_path):
    rule = {"patience": 3, "min_delta": 0.1}
    path = runs.write_config(tmp_path / "c.json", source, epochs=20, early_stopping=rule)
    config, progress, ends = validate(read_json(path), str(path)), Progress(), []
    scores = [0.5, 0.55, float("nan"), 0.65, 0.7, 0.74, 0.75, 0.9]
    for epoch, score in enumerate(scores, 1):
        progress.epoch = epoch
        update(progress, epoch, score, config)
        ends.append(reason(config, progress) is not None)
    assert ends == [False] * 6 + [True, False]
    assert (progress.improved_epoch, progress.improved_score) == (8, 0.9)
    progress.epoch = 20
    assert reason(config, progress) is None  # it came to its end by itself


def test_a_checkpoint_from_before_a_knob_was_there_is_resumed(averaged):
    config = validate(read_json(averaged), "c.json").model_copy(update={"ema_decay": None})
    saved = step_of(averaged, 1)
    old = {key: value for key, value in saved.state["config"].items() if key not in ("ema_decay", "early_stopping")}
    used = {key: saved.state[key] for key in ("micro_batch_size", "mixed_precision")}
    before = Checkpoint(saved.folder, saved.tensors, saved.state | {"config": old})
    assert changes.differences(before, config, saved.state["data_fingerprint"], used, saved.state["inferred"]) == {}
