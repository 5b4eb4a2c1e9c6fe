"""Configs that earlier versions saved: what a knob was before it existed.

A run writes its config whole. So a knob that is missing there came with a later version, and its default may not be
what the run did.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def is_saved(path: Path) -> bool:
    """Whether a run wrote this config: its status lies beside it."""
    return (path.parent / "status.json").is_file()


def upgraded(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved config with the knobs that it lacks, set to what its version did."""
    found, tasks, data = dict(raw), raw.get("tasks"), raw.get("data")
    if isinstance(tasks, dict):
        found["tasks"] = {name: _upgraded_task(task) for name, task in tasks.items()}
    if isinstance(data, dict) and "split_seed" not in data and "seed" in raw:
        found["data"] = {**data, "split_seed": raw["seed"]}  # one seed decided on both
    return found


def _upgraded_task(task: Any) -> Any:
    if not isinstance(task, dict) or task.get("kind") != "regression" or "standardise" in task:
        return task
    # The primary metric was the MAE, until standardised values and R2 came together.
    return {**task, "standardise": False, "primary_metric": task.get("primary_metric") or "mae"}
