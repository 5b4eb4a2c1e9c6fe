"""Ours, at its precision, and Hugging Face's loop, in float32, after equal epochs, over several seeds."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

from ...config import Config
from ...core.errors import UserError
from ...data.loading.broken_images import read_training_data
from ...training.train import train
from .contestants.huggingface import HuggingFace
from .prepare import start_accelerator

Spread = dict[str, float]  # mean and deviation


def measure_accuracy(config: Config, num_seeds: int, num_workers: int) -> dict[str, dict[str, Spread]]:
    """{metric: {"ours": mean and deviation, "huggingface": the same}} of the validation split after the last epoch.

    Raises:
        UserError: a run was stopped.
    """
    values: dict[str, dict[str, list[float]]] = {}
    for seed in range(num_seeds):
        seeded = config.model_copy(update={"seed": seed, "trackers": ()})
        for name, metrics in (("ours", _ours(seeded)), ("huggingface", _huggingface(seeded, num_workers))):
            for metric, value in metrics.items():
                values.setdefault(metric, {}).setdefault(name, []).append(value)
    return {
        metric: {name: spread(of_seeds) for name, of_seeds in of_loops.items()}
        for metric, of_loops in values.items()
        if len(of_loops) == 2  # both loops have it
    }


def spread(values: list[float]) -> Spread:
    """Mean and deviation; the deviation is that of a sample, and 0 for a single value."""
    return {"mean": statistics.fmean(values), "deviation": statistics.stdev(values) if len(values) > 1 else 0.0}


def _ours(config: Config) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        config = config.model_copy(update={"run_dir": str(Path(folder) / "run")})
        result = train(config)
        if result.status != "finished":
            raise UserError(f"--accuracy: the run of seed {config.seed} was {result.status}; start again")
        rows = [json.loads(line) for line in (result.run_dir / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    last: dict[str, float] = [row for row in rows if row["event"] == "epoch"][-1]["validation"]
    return last


def _huggingface(config: Config, num_workers: int) -> dict[str, float]:
    _, micro_batch_size = start_accelerator(config)
    peer = HuggingFace(config, read_training_data(config), micro_batch_size, num_workers, plain=True)
    metrics: dict[str, float] = {}
    for _ in range(config.epochs):
        peer.train_epoch()
        metrics = peer.validate()  # after each epoch, as its original does
    return metrics
