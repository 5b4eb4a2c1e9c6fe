"""The whole benchmark, one part after another, as one row."""

from __future__ import annotations

import os
from typing import Any

from ...config import Config
from ...core.errors import UserError
from .accuracy import measure_accuracy
from .contest import PEERS, compare_loops, contest
from .fresh_process import in_fresh_process
from .settings import Settings, read_settings
from .start import check_scale, fill_caches, measure_scale, measure_start


def measure(config: Config, **options: Any) -> dict[str, Any]:
    """Measure how fast a config trains here: one row, fit for JSON. The options are the fields of `Settings`.

    Raises:
        UserError: wrong options, several processes, and all that a run raises.
    """
    settings = read_settings(options)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UserError("a benchmark measures one process; start it by mtl-accel bench, without a launcher")
    check_scale(config, settings)
    fill_caches(config)
    start = in_fresh_process(measure_start, config, settings)
    row = contest(config, settings)
    if settings.peers:
        row |= _in_full_precision(config, row, settings.model_copy(update={"images": row["train_images"]}))
    row |= start
    row["scale"] = measure_scale(config, settings)
    row["accuracy"] = measure_accuracy(config, settings.accuracy, settings.peer_workers)
    return row


def _in_full_precision(config: Config, row: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The same contest with everything in float32: in another process, since Accelerate keeps one precision in each."""
    if row["precision"] != "no":
        row = in_fresh_process(compare_loops, config.model_copy(update={"mixed_precision": "no"}), settings)
    kept = ("images_per_second", "epoch_seconds")
    return {f"vs_{peer}_fp32": row[f"vs_{peer}"] for peer in PEERS} | {"fp32": {key: row[key] for key in kept}}
