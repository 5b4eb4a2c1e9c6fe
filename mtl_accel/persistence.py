"""From a run to a checkpoint and back: what is saved, and what must agree before a run goes on."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from . import checkpoint
from .checkpoint import Checkpoint
from .config import Config
from .config.differences import differences as changed_knobs
from .data.labels import Targets
from .errors import UserError
from .predictions import Predictions
from .run import Run
from .state import Progress, Tensors, load_optimizer_state, optimizer_state

_AS_USED = ("micro_batch_size", "mixed_precision")  # null means another value on another machine


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


def restore(run: Run, saved: Checkpoint, fingerprint: str, allow_changes: bool) -> None:
    """Put a run where a checkpoint left it. No random state is restored, since none is kept.

    Raises:
        UserError: config or data are not those of the checkpoint, and `allow_changes` is false.
    """
    used = {
        "micro_batch_size": run.train_loader.order.micro_batch_size,
        "mixed_precision": run.accelerator.mixed_precision,
    }
    problems = differences(saved, run.config, fingerprint, used)
    if problems and not allow_changes:
        raise UserError(
            [*problems, "start with --resume.allow_changes to go on all the same, or --overwrite to begin anew"]
        )
    state = saved.state
    run.bare.model.load_state_dict(saved.tensors["model"])
    run.bare.balancer.load_state_dict(saved.tensors.get("balancer", {}))
    if run.average is not None:
        run.average.load_state_dict(saved.tensors.get("ema", saved.tensors["model"]))
    load_optimizer_state(run.optimizer, saved.tensors["optimizer"], state["optimizer"])
    run.schedule.load_state_dict(state["schedule"])
    if run.accelerator.scaler is not None and state["scaler"]:
        run.accelerator.scaler.load_state_dict(state["scaler"])
    run.progress = Progress(**state["progress"])
    seen = saved.tensors.get("seen")
    # Only on the main process: a sample that each process had brought along would be counted once for each.
    mine = seen is not None and run.accelerator.is_main_process
    run.predictions = Predictions((seen["ids"], seen["logits"]) if mine and seen else None)


def differences(saved: Checkpoint, config: Config, fingerprint: str, used: Mapping[str, Any]) -> list[str]:
    """What is not as it was when the checkpoint was written, key by key.

    `used`: knobs whose null means another value on another machine or number of processes, as they are in use here.
    """
    now = config.model_dump(mode="json", by_alias=True)
    problems = [
        f"{key}: is {json.dumps(here)}, and was {json.dumps(before)} in {saved.folder}"
        for key, before, here in changed_knobs(_complete(saved.state["config"]), now)
        if key not in _AS_USED
    ]
    for key, here in used.items():
        before_it = saved.state[key]
        if before_it != here:
            problems.append(
                f"{key}: is {here} here, and was {before_it} in {saved.folder}; the weights depend on it: "
                f"give --{key} {before_it}"
            )
    if saved.state["data_fingerprint"] != fingerprint:
        problems.append(f"data.source: images or labels are not those that {saved.folder} was trained on")
    return problems


def _complete(config: dict[str, Any]) -> dict[str, Any]:
    """A saved config with the defaults of knobs that came after it."""
    try:
        return Config.model_validate(config).model_dump(mode="json", by_alias=True)
    except ValidationError:
        return config  # a knob that is gone, or takes no such value any more, is told as a difference
