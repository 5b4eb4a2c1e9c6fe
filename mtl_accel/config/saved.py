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
    optimizer, scheduler = raw.get("optimizer"), raw.get("scheduler")
    if isinstance(optimizer, dict) and isinstance(scheduler, dict) and scheduler.get("max_lr") is not None:
        # That of the optimizer was not used, whatever it was.
        found["optimizer"] = {**optimizer, "lr": scheduler["max_lr"]}
        found["scheduler"] = {**scheduler, "max_lr": None}
    transforms = raw.get("transforms")
    if isinstance(transforms, dict) and isinstance(transforms.get("train"), list):
        found["transforms"] = {**transforms, "train": [_upgraded_transform(t) for t in transforms["train"]]}
    return found


def _upgraded_transform(transform: Any) -> Any:
    if not isinstance(transform, dict):
        return transform
    if transform.get("name") in ("AutoAugment", "RandAugment", "TrivialAugmentWide"):
        return {"batched": False, **transform}  # torchvision's own was the only one
    if transform.get("name") != "Pad":
        return transform
    fill = transform.get("fill", 0)
    values = fill if isinstance(fill, list) else [fill]
    if not all(isinstance(value, int | float) and 0 <= value <= 1 for value in values) or not any(values):
        return transform
    # It was torchvision's own, in 0..1 behind a transform that made floats; and 1 of 255 elsewhere is hardly meant.
    scaled = [255 * value for value in values]
    return {**transform, "fill": scaled if isinstance(fill, list) else scaled[0]}


def _upgraded_task(task: Any) -> Any:
    if not isinstance(task, dict) or task.get("kind") != "regression" or "standardise" in task:
        return task
    # The primary metric was the MAE, until standardised values and R2 came together.
    return {**task, "standardise": False, "primary_metric": task.get("primary_metric") or "mae"}
