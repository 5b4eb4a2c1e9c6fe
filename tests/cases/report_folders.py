"""Run folders for tests of the report: their records, written without training."""

import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mtl_accel.config import Config, read_config

CONFIGS = Path(__file__).parents[2] / "configs"
METRICS = ("category/accuracy", "attribute/f1_macro")
Pair = tuple[float | None, float | None]  # of one metric: training, validation


def config(version: str = "v1", **changes: Any) -> Config:
    """One of the shipped configs, with knobs changed by their dotted paths."""
    return read_config(CONFIGS / f"{version}.json", {key.replace("__", "."): value for key, value in changes.items()})


def write(
    folder: Path,
    run_config: Config,
    epochs: Sequence[Mapping[str, Pair]] = (),
    status: str = "finished",
    fitted: Mapping[str, float] | None = None,
    conflicts: Sequence[Mapping[str, Any]] = (),
    weights: Sequence[Mapping[str, float | None]] = (),
    **more: Any,
) -> Path:
    """A run folder without checkpoints and model.

    `epochs` holds each epoch's metrics, `weights` its tasks' weights, `conflicts` the meter's rows; `more` goes to the
    status.
    """
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(run_config.model_dump(mode="json", by_alias=True)))
    row = {"status": status, "message": None, "host": socket.gethostname(), "pid": 1, **more}
    (folder / "status.json").write_text(json.dumps(row))
    (folder / "environment.json").write_text(json.dumps({"device": "cpu", "processes": 1, "packages": {"torch": "2"}}))
    lines: list[Mapping[str, Any]] = [
        {
            "event": "epoch",
            "epoch": number,
            "train": {name: pair[0] for name, pair in metrics.items()},
            "validation": {name: pair[1] for name, pair in metrics.items()},
            "lr": 0.001 / 10**number,
            "seconds": 2.0,
            "images_per_second": 10.0 * number,
            **({"task_weights": weights[number - 1]} if weights else {}),
        }
        for number, metrics in enumerate(epochs, start=1)
    ]
    lines += conflicts
    if status == "finished":
        lines.append({"event": "end", "status": status, "fitted": dict(fitted or {})})
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def conflict(epoch: int, step: int, cosine: float | None, norm_ratio: float | None, *tasks: str) -> dict[str, Any]:
    """A row of the conflict meter about one pair of tasks."""
    pair = {"tasks": tasks or ("category", "attribute"), "cosine": cosine, "norm_ratio": norm_ratio}
    return {"event": "conflict", "epoch": epoch, "step": step, "pairs": [pair]}


def epochs(*validation: Pair, gap: float = 0.1) -> list[dict[str, Pair]]:
    """Epochs of (category accuracy, attribute F1) on validation, with training better by the gap."""
    rows = []
    for accuracy, f1 in validation:
        pairs: dict[str, Pair] = {"loss": (1.0, 1.0 + gap)}
        for name, value in zip(METRICS, (accuracy, f1), strict=True):
            pairs[name] = (None if value is None else value + gap, value)
        rows.append(pairs)
    return rows
