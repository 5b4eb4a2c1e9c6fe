"""From a run to a checkpoint: what is saved of it, and what the best epoch's holds for the end of the run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..data.labels.reader import Targets
from ..runs import checkpoint
from ..runs.checkpoint import Checkpoint
from .run import Run
from .state import Tensors, optimizer_state


def save(run: Run, best: Tensor | None, root: Path, fingerprint: str, is_owner: Callable[[], bool]) -> None:
    """Write a checkpoint of the run as it stands between two steps. Every process calls it, the main one writes.

    Args:
        best: validation logits [N, outputs] of an epoch that is the best so far, None of any other. They are saved
            with their labels, so that thresholds can be fitted at the end of the run.

    Raises:
        UserError: the disk is full or the run folder belongs to another process now.
    """
    progress = run.progress
    seen = run.predictions.gather(run.accelerator) if progress.step else None
    run.last_save = time.monotonic()
    if not run.accelerator.is_main_process:
        return
    groups, plain = _trained(run)
    if seen is not None:
        groups["seen"] = {"ids": seen[0], "logits": seen[1]}
    if best is not None:
        groups["validation"] = {"logits": best, **_as_tensors(run.validation_targets)}
    config = run.config.model_dump(mode="json", by_alias=True)
    scaler = run.accelerator.scaler
    state: dict[str, Any] = {
        "progress": asdict(progress),
        "optimizer": plain,
        "schedule": run.schedule.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
        "config": config,
        "config_hash": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        "data_fingerprint": fingerprint,
        "num_processes": run.accelerator.num_processes,
        "micro_batch_size": run.train_loader.order.micro_batch_size,
        "mixed_precision": run.accelerator.mixed_precision,
    }
    num_steps = progress.epoch * run.train_loader.order.num_steps + progress.step
    name, is_best = checkpoint.step_name(num_steps), best is not None
    checkpoint.save(root, name, groups, state, run.config.keep_last, is_best, is_owner)


def _trained(run: Run) -> tuple[dict[str, Tensors], dict[str, Any]]:
    """Everything that a step changes: tensors by group, and the optimizer's plain values."""
    tensors, plain = optimizer_state(run.optimizer)
    groups = {"model": run.bare.model.state_dict(), "optimizer": tensors}
    if run.average is not None:
        groups["ema"] = run.average.state_dict()
    if remembered := run.bare.balancer.state_dict():
        groups["balancer"] = remembered
    return groups, plain


def _as_tensors(targets: Mapping[str, Targets]) -> dict[str, Tensor]:
    arrays = {f"{task}.{part}": array for task, labels in targets.items() for part, array in labels._asdict().items()}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def best_validation(saved: Checkpoint) -> tuple[Tensor, dict[str, Targets]]:
    """Logits [N, outputs] and labels of validation, as the best epoch's checkpoint holds them."""
    group = saved.tensors["validation"]
    tasks = [name.removesuffix(".mask") for name in group if name.endswith(".mask")]
    return group["logits"], {t: Targets(group[f"{t}.target"].numpy(), group[f"{t}.mask"].numpy()) for t in tasks}
