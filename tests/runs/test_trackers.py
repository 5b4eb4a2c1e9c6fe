"""Trackers get every figure, and one that fails ends no run."""

from __future__ import annotations

import numpy as np
import pytest
from accelerate.tracking import GeneralTracker

from mtl_accel.runs.log import RunLog, tracker_problems
from mtl_accel.runs.trackers import finish_trackers


def test_a_tracker_that_does_not_exist_and_one_that_is_not_installed_are_both_told():
    absent = [name for name in ("aim", "swanlab", "clearml") if not _installed(name)]
    first, *rest = tracker_problems(["tensorbord", *absent[:1]])
    assert "'tensorbord' is none of" in first and "tensorboard" in first
    assert [f"{absent[0]!r} is not installed; pip install {absent[0]}" in line for line in rest] == [True]
    assert tracker_problems([]) == []


class Kept(GeneralTracker):
    """A tracker that keeps what it is given."""

    name, requires_logging_directory, main_process_only = "kept", False, True

    def __init__(self) -> None:
        super().__init__()
        self.config: dict = {}
        self.logged: list = []

    @property
    def tracker(self):
        return self

    def store_init_configuration(self, values: dict) -> None:
        self.config = values

    def log(self, values: dict, step: int | None, **kwargs) -> None:
        self.logged.append((step, values))


def test_trackers_get_the_config_and_every_epoch_s_values(tmp_path, config, accelerator):
    log, kept = RunLog(tmp_path, accelerator), Kept()
    log.track(1, {"train": {"loss": 1.0}})
    log.accelerator.log_with = [kept]
    log.start(config.model_copy(update={"trackers": ("kept",)}), None)
    log.track(2, {"train": {"loss": 0.5}, "validation": {"category/accuracy": 0.75}}, lr=0.1)
    log.accelerator.trackers = []
    assert kept.config["optimizer.lr"] == config.optimizer.lr
    assert kept.logged == [(2, {"train/loss": 0.5, "validation/category/accuracy": 0.75, "lr": 0.1})]


class Unreachable(Kept):
    """A tracker whose server cannot be reached, from the call of this name on."""

    def __init__(self, call: str) -> None:
        super().__init__()
        setattr(self, call, self.fail)

    def fail(self, *_: object, **__: object) -> None:
        raise ConnectionError("no route to host")


@pytest.mark.parametrize("call", ["store_init_configuration", "log", "finish"])
def test_a_tracker_that_cannot_be_reached_is_left_out_and_the_others_get_everything(
    tmp_path, config, accelerator, caplog, call
):
    log, kept = RunLog(tmp_path, accelerator), Kept()
    log.accelerator.log_with = [Unreachable(call), kept]
    log.start(config.model_copy(update={"trackers": ("kept",)}), None)
    for epoch in (1, 2):
        log.track(epoch, {"train": {"loss": 0.5}})
    finish_trackers(log.accelerator)
    log.accelerator.trackers = []
    assert kept.config["optimizer.lr"] == config.optimizer.lr
    assert kept.logged == [(epoch, {"train/loss": 0.5}) for epoch in (1, 2)]
    (message,) = [record.getMessage() for record in caplog.records]
    assert "the run goes on, and log.jsonl has every figure: ConnectionError: no route to host" in message


class Painted(Unreachable):
    """A tracker that takes pictures, or whose server cannot be reached when it gets one."""

    def __init__(self, call: str) -> None:
        super().__init__(call)
        self.images: list = []

    def log_images(self, values: dict, step: int | None, **kwargs) -> None:
        self.images.append((step, values))


def test_a_picture_goes_to_each_tracker_that_takes_any_and_one_that_fails_is_left_out(tmp_path, accelerator, caplog):
    log, fails, blind, painted = RunLog(tmp_path, accelerator), Painted("log_images"), Kept(), Painted("nothing")
    log.accelerator.trackers = [fails, blind, painted]
    log.track_picture("curves.png", np.full((2, 3, 3), [255, 0, 0], np.uint8), 10)
    assert log.accelerator.trackers == [blind, painted]
    log.accelerator.trackers = []
    ((step, values),) = painted.images
    assert step == 10 and values["curves.png"][0].tolist() == [[[255, 0, 0]] * 3] * 2
    assert "no route to host" in caplog.text


def _installed(name: str) -> bool:
    return not tracker_problems([name])
