"""The finished model: its weights, and all that is needed to use them without the run."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from . import durable
from .config import Config
from .tasks import Task

THRESHOLD = 0.5  # of a multilabel probability, until one is fitted


def describe(config: Config, tasks: Mapping[str, Task]) -> dict[str, Any]:
    """model/config.json: the pair, the tasks with their classes in index order, and the transforms."""
    described: dict[str, dict[str, Any]] = {}
    for name, task in tasks.items():
        described[name] = {"kind": task.kind, "columns": list(task.columns), "classes": list(task.classes)}
        if task.kind == "multilabel":
            described[name]["thresholds"] = [THRESHOLD] * task.num_outputs
    return {
        "model": {"name": config.model.name},
        "tasks": described,
        "transforms": config.transforms.model_dump(mode="json")["eval"],
    }


def write_model(run_dir: Path, weights: Mapping[str, Tensor], config: Config, tasks: Mapping[str, Task]) -> Path:
    """Write RUN/model: model.safetensors and config.json. Returns the folder."""
    folder = run_dir / "model"
    with durable.storage_errors(folder), durable.replace_folder(folder) as temporary:
        durable.write_json(temporary / "config.json", describe(config, tasks))
        path = temporary / "model.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in weights.items()}, path)
        # save_file makes its file private; a model is read by others as the rest of the folder is.
        path.chmod(stat.S_IMODE((temporary / "config.json").stat().st_mode))
    return folder
