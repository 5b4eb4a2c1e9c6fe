"""Trackers of a run: one that fails, such as a server that cannot be reached, is left out, and the run goes on."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
from accelerate import Accelerator

logger = logging.getLogger(__name__)


class _LeftOut:
    """A block in which a tracker may fail in any way of its own; `failed` says whether it has."""

    def __init__(self, name: str) -> None:
        self.name, self.failed = name, False

    def __enter__(self) -> _LeftOut:
        return self

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        self.failed = isinstance(error, Exception)
        if self.failed:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            message = "tracker %s failed and is left out; the run goes on, and log.jsonl has every figure: %s"
            logger.warning(message, self.name, reason)
        return self.failed


def start_trackers(accelerator: Accelerator, run: str, config: Mapping[str, Any]) -> None:
    """Start each tracker that the Accelerator was made with. Every process calls it."""
    named = list(accelerator.log_with)
    started: list[Any] = []
    for tracker in named:
        accelerator.log_with, accelerator.trackers = [tracker], []
        with _LeftOut(str(getattr(tracker, "name", tracker))) as attempt:
            accelerator.init_trackers(run, config=dict(config))
        started += [] if attempt.failed else accelerator.trackers
    accelerator.log_with, accelerator.trackers = named, started


def log_to_trackers(accelerator: Accelerator, values: Mapping[str, float], step: int) -> None:
    """Send values to each tracker, on the main process."""
    for tracker in list(accelerator.trackers):
        with _LeftOut(tracker.name) as attempt:
            tracker.log(dict(values), step=step)
        if attempt.failed:
            accelerator.trackers.remove(tracker)


def picture_to_trackers(accelerator: Accelerator, name: str, pixels: np.ndarray, step: int) -> None:
    """Send a picture, uint8 [H, W, 3], to each tracker that takes any, on the main process."""
    for tracker in list(accelerator.trackers):
        with _LeftOut(tracker.name) as attempt:
            _send_picture(tracker, name, pixels, step)
        if attempt.failed:
            accelerator.trackers.remove(tracker)


def _send_picture(tracker: Any, name: str, pixels: np.ndarray, step: int) -> None:
    """Send pixels in the form of each tracker: Accelerate has none that all of them take."""
    if tracker.name == "tensorboard":
        tracker.log_images({name: pixels[None]}, step=step, dataformats="NHWC")
    elif tracker.name == "mlflow":
        importlib.import_module("mlflow").log_image(pixels, name)  # an extra, and it is there: the tracker has started
    elif tracker.name == "trackio":
        tracker.log({name: importlib.import_module("trackio").Image(pixels)}, step=step)
    elif tracker.name in ("aim", "clearml"):
        tracker.log_images({name: pixels}, step=step)
    elif hasattr(tracker, "log_images"):  # wandb, swanlab
        tracker.log_images({name: [pixels]}, step=step)


def finish_trackers(accelerator: Accelerator) -> None:
    """Let each tracker send what it still holds."""
    for tracker in accelerator.trackers:
        with _LeftOut(tracker.name):
            tracker.finish()
