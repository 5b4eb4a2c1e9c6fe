"""The run folder's records: config.json, environment.json, status.json, log.txt, log.jsonl, and trackers."""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from tqdm import tqdm

from ..config import Config, differences, inferences
from ..config.rules.plugin_uses import dump_records, used_plugins
from ..core import atomic_io
from ..core.control_characters import escape_control, one_line
from ..core.errors import EXIT_CODE, UserError
from ..core.tasks import Task
from ..metrics import registry
from . import rows
from .failures import FailureLog
from .trackers import log_to_trackers, picture_to_trackers, start_trackers

_PACKAGES = ("mtl_accel", "torch", "torchvision", "accelerate", "datasets", "evaluate", "numpy", "pillow")


def tracker_problems(names: Sequence[str]) -> list[str]:
    """Describe each tracker that does not exist or is not installed; Accelerate would only warn."""
    installed = {str(name) for name in get_available_trackers()}
    known = sorted(LOGGER_TYPE_TO_CLASS)
    problems = [f"trackers: {name!r} is none of {', '.join(known)}" for name in names if name not in known]
    missing = [name for name in names if name in known and name not in installed]
    packages = {name: f"'mtl_accel[{name}]'" for name in ("tensorboard", "wandb", "mlflow", "trackio")}
    problems += [
        f"trackers: {name!r} is not installed; pip install {packages.get(name, name)}, or leave it out"
        for name in missing
    ]
    return problems


def environment(accelerator: Accelerator) -> dict[str, Any]:
    """Software, hardware and command of a run."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    ).stdout.strip()
    device = accelerator.device
    return {
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "processes": accelerator.num_processes,
        "mixed_precision": accelerator.mixed_precision,
        "git_commit": commit or None,
        "command": sys.argv,
        "host": socket.gethostname(),
    }


def log_block(epoch: int, tasks: Mapping[str, Task], train: Mapping[str, float], val: Mapping[str, float]) -> str:
    """Format one epoch as the source did, six decimals: the tasks' primary metrics and the loss."""
    lines = [f"===== Epoch {epoch} ====="]
    for split, values in (("Train", train), ("Val", val)):
        parts = []
        for task in tasks.values():
            metric = registry.get(task.kind, task.primary_metric)
            parts.append(f"{split} {metric.short_name} ({task.title}): {values[task.metric]:.6f}")
        lines.append(" ".join([*parts, f"{split} Loss: {values['loss']:.6f}"]))
    return "\n".join(lines)


class RunLog:
    """Writes the records of a run; on any but the main process it does nothing."""

    def __init__(self, run_dir: Path, accelerator: Accelerator) -> None:
        self.run_dir, self.accelerator = run_dir, accelerator
        self.active = accelerator.is_main_process
        self._started = False
        self._first_lines: list[str] = []  # said before the start, which empties log.txt

    def start(
        self, config: Config, resumed_at: tuple[int, int] | None, inferred: Mapping[str, Any] | None = None
    ) -> None:
        """Write config and environment before the first step, and begin or continue the log.

        `resumed_at`: epochs and steps that are done. Rows of steps that will be repeated are dropped.
        `inferred`: values of knobs that the config leaves open; None: there are none.
        """
        if self.active:
            inferences.write(self.run_dir, config, inferred or {})
            found = {**environment(self.accelerator), **dump_records(used_plugins(config))}
            atomic_io.write_json(self.run_dir / "environment.json", found)
            kept = [row for row in self.rows() if _was_before(row, resumed_at)]
            text = "".join(json.dumps(row) + "\n" for row in kept)
            atomic_io.write_bytes(self.run_dir / "log.jsonl", text.encode())
            if resumed_at is None:  # of an earlier run in this folder nothing is left
                atomic_io.write_bytes(self.run_dir / "log.txt", "".join(self._first_lines).encode())
            self._started = True
        if config.trackers:
            start_trackers(self.accelerator, self.run_dir.name, flat(config.model_dump(mode="json")))

    def say(self, text: str) -> None:
        """Write a text to the console, above any progress bar, and to log.txt."""
        if self.active:
            text = escape_control(text)
            tqdm.write(text)
            sys.stdout.flush()  # into a file or a pipe Python would hold it back, and a killed run would leave nothing
            with (self.run_dir / "log.txt").open("a", encoding="utf-8") as file:
                file.write(text + "\n")
            if not self._started:
                self._first_lines.append(text + "\n")

    def event(self, event: str, **values: Any) -> None:
        """Append one row to log.jsonl; NaN becomes null, since JSON has no NaN.

        Those of steps are many: only they are not flushed to the disk, and may be lost where the machine dies.
        """
        if self.active:
            row = {"event": event, **values}
            with (self.run_dir / "log.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(without_nan(row), allow_nan=False) + "\n")
                file.flush()
                if event != "step":
                    os.fsync(file.fileno())

    def write_validation_ids(self, ids: Sequence[str]) -> None:
        """Write the ids of the rows that were held out for validation, so that anybody can make the same split."""
        if self.active and ids:
            atomic_io.write_json(self.run_dir / "validation_ids.json", list(ids))

    def write_skipped(self, problems: Sequence[str]) -> None:
        """Write what is wrong with each image whose row the run leaves out, a line each; no file if there is none."""
        if self.active:
            file = self.run_dir / "skipped.txt"
            if problems:
                atomic_io.write_bytes(file, "".join(f"{one_line(problem)}\n" for problem in problems).encode())
            else:
                file.unlink(missing_ok=True)

    def track(self, step: int, splits: Mapping[str, Mapping[str, float]], **values: float) -> None:
        """Send metrics to the trackers, where there are any, as "train/category/accuracy" and so on."""
        if self.is_tracked:
            log_to_trackers(self.accelerator, {**with_prefixes(splits), **values}, step)

    @property
    def is_tracked(self) -> bool:
        """Whether this process sends figures to a tracker."""
        return self.active and bool(self.accelerator.trackers)

    def track_picture(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Send a picture, uint8 [H, W, 3], to the trackers, where there are any."""
        if self.is_tracked:
            picture_to_trackers(self.accelerator, name, pixels, step)

    def status(self, status: str, **values: Any) -> None:
        """Write status.json: running, finished, stopped or failed."""
        if self.active:
            row = {"status": status, **values, "host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
            atomic_io.write_json(self.run_dir / "status.json", without_nan(row))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep status.json at "running" within the block, and at "failed", with the cause, after an error."""
        failures = FailureLog(self.run_dir, self.accelerator.process_index)
        self._drop_cut_line()
        self.status("running")
        try:
            with failures.reported_once():
                yield
        except BaseException as error:
            if self.active:
                # A process that fails because another one did ends with SystemExit, and then the cause is in the file.
                code = error.code if isinstance(error, SystemExit) else EXIT_CODE if isinstance(error, UserError) else 1
                message = failures.cause() if isinstance(error, Exception | SystemExit) else type(error).__name__
                self.event("end", status="failed", message=message)
                self.status("failed", exit_code=code, message=message)
            raise

    def _drop_cut_line(self) -> None:
        """Drop a last row that a kill cut short: the next row must not be appended to it."""
        path = self.run_dir / "log.jsonl"
        if self.active and path.exists():
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                atomic_io.write_bytes(path, whole)

    def rows(self) -> list[dict[str, Any]]:
        """Read the rows of log.jsonl so far, without a last line that a kill cut short.

        Raises:
            UserError: a line that no run wrote.
        """
        return rows.read_rows(self.run_dir / "log.jsonl")


def _was_before(row: Mapping[str, Any], resumed_at: tuple[int, int] | None) -> bool:
    """Whether a row of log.jsonl is about an epoch or a step that was done before the run was resumed."""
    if resumed_at is None or row["event"] not in ("epoch", "step", "conflict"):
        return False
    epochs, steps = resumed_at
    return row["epoch"] <= epochs or (row["event"] != "epoch" and (row["epoch"], row["step"]) <= (epochs + 1, steps))


def with_prefixes(splits: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Metrics of several splits by the names that trackers get: "train/category/accuracy"."""
    return {f"{split}/{name}": value for split, metrics in splits.items() for name, value in metrics.items()}


def without_nan(value: Any) -> Any:
    """Replace NaN and infinities by None, at any depth: JSON has neither."""
    if isinstance(value, Mapping):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def flat(values: Mapping[str, Any]) -> dict[str, str | int | float | bool]:
    """Flatten a config to one level of dotted keys: several trackers accept nothing else."""
    knobs = differences.flatten(values).items()
    return {key: value if isinstance(value, (str, int, float, bool)) else json.dumps(value) for key, value in knobs}
