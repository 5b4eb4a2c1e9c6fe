"""Save a run to a checkpoint and restore it: what must agree, and what follows a config that was changed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import Config
from ..config.rules.plugin_uses import dump_records, used_plugins
from ..core.errors import UserError
from ..data.labels.reader import Targets
from ..inference.logits import Predictions
from ..metrics.selection import score_of
from ..runs import checkpoint
from ..runs.changes import config_of, differences
from ..runs.checkpoint import Checkpoint
from .optimization.parameter_groups import parameter_groups
from .optimization.schedule import scores_of
from .run import Run
from .state import SavedState, Tensors, foreign_state_errors, load_optimizer_state, optimizer_state


class Checkpoints:
    """Checkpoints of one run: `save` writes one between two steps, `restore` puts a run where one left it."""

    def __init__(
        self,
        config: Config,
        fingerprint: str,
        is_owner: Callable[[], bool] = lambda: True,
        inferred: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the checkpoints of a run.

        Args:
            fingerprint: of the data.
            is_owner: whether the run folder still belongs to this process.
            inferred: values of knobs that the config leaves open; None: there are none.
        """
        self.root, self.fingerprint, self.is_owner = Path(config.run_dir) / "checkpoints", fingerprint, is_owner
        self.inferred = dict(inferred or {})

    def save(self, run: Run, best: Tensor | None = None) -> None:
        """Write a checkpoint of the run as it stands between two steps. Every process calls it, the main one writes.

        Args:
            best: validation logits [N, outputs] of an epoch that is the best so far, None of any other. They are
                saved with their labels, so that thresholds can be fitted at the end of the run.

        Raises:
            UserError: the disk is full or the run folder belongs to another process now.
        """
        predictions = run.predictions.gather(run.accelerator) if run.progress.step else None
        run.last_save = time.monotonic()
        if not run.accelerator.is_main_process:
            return
        groups, state = _learned(run)
        if predictions is not None:
            groups["seen"] = {"ids": predictions[0], "logits": predictions[1]}
        if best is not None:
            groups["validation"] = {"logits": best, **_as_tensors(run.validation_targets)}
        state |= {**_circumstances(run, self.fingerprint), "inferred": self.inferred}
        num_steps = run.progress.epoch * run.train_loader.order.num_steps + run.progress.step
        name, is_best = checkpoint.step_name(num_steps), best is not None
        checkpoint.save(self.root, name, groups, state, run.config.keep_last, is_best, self.is_owner)

    def restore(self, run: Run, saved: Checkpoint, allow_changes: bool) -> list[str]:
        """Put a run where a checkpoint left it. No random state is restored, since none is kept.

        Where something has changed, the checkpoint gives what was learned and the progress, and the config as it is
        now all the rest: rates, decay and the schedule at that step.

        Returns: what has changed, a line each.

        Raises:
            UserError: config or data are not those of the checkpoint, and `allow_changes` is false; or the network,
                the optimizer or the balancing are others, and nothing of the checkpoint fits them.
        """
        with foreign_state_errors(saved.folder):
            progress = SavedState.model_validate(saved.state).progress
        used = {
            "micro_batch_size": run.train_loader.order.micro_batch_size,
            "mixed_precision": run.accelerator.mixed_precision,
        }
        changes = differences(saved, run.config, self.fingerprint, used, self.inferred)
        if changes and not allow_changes:
            advice = "start with --resume.allow_changes to resume all the same, or --overwrite to begin anew"
            raise UserError([*changes.values(), advice])
        if problems := _misfits(run, saved):  # without a change, too: another version of ours may have saved it
            raise UserError([*problems, "put back what cannot change on resume, or give --overwrite to begin anew"])
        run.progress = progress
        with foreign_state_errors(saved.folder):
            _load_learned(run, saved, keep_rates=bool(changes))
            if not changes:
                run.schedule.load_state_dict(saved.state["schedule"])
        if changes:
            _apply_changes(run, changes, scores_of(saved.state["schedule"]))
        # Only on the main process: a sample that each process had brought along would be counted once for each.
        if run.progress.step and run.accelerator.is_main_process and "seen" in saved.tensors:
            predictions = saved.tensors["seen"]
            run.predictions = Predictions((predictions["ids"], predictions["logits"]))
        return list(changes.values())


def best_validation(saved: Checkpoint) -> tuple[Tensor, dict[str, Targets]]:
    """Return logits [N, outputs] and labels of validation from the best epoch's checkpoint."""
    group = saved.tensors["validation"]
    tasks = [name.removesuffix(".mask") for name in group if name.endswith(".mask")]
    return group["logits"], {t: Targets(group[f"{t}.target"].numpy(), group[f"{t}.mask"].numpy()) for t in tasks}


def _as_tensors(targets: Mapping[str, Targets]) -> dict[str, Tensor]:
    arrays = {f"{task}.{part}": array for task, labels in targets.items() for part, array in labels._asdict().items()}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _learned(run: Run) -> tuple[dict[str, Tensors], dict[str, Any]]:
    """Return everything that a step changes: tensors by group, and plain values."""
    tensors, plain = optimizer_state(run.optimizer)
    groups = {"model": run.unwrapped_objective.model.state_dict(), "optimizer": tensors}
    if run.average is not None:
        groups["ema"] = run.average.state_dict()
    if balancer_state := run.balancer.state_dict():
        groups["balancer"] = balancer_state
    scaler = run.accelerator.scaler
    state = {
        "progress": asdict(run.progress),
        "optimizer": plain,
        "schedule": run.schedule.state_dict(),
        "scaler": None if scaler is None else scaler.state_dict(),
    }
    return groups, state


def _circumstances(run: Run, fingerprint: str) -> dict[str, Any]:
    """Return what the run was started with, to be compared when it is resumed."""
    config = run.config.model_dump(mode="json", by_alias=True)
    return {
        "config": config,
        "config_hash": hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        "data_fingerprint": fingerprint,
        "num_processes": run.accelerator.num_processes,
        "micro_batch_size": run.train_loader.order.micro_batch_size,
        "mixed_precision": run.accelerator.mixed_precision,
        **dump_records(used_plugins(run.config)),
    }


def _load_learned(run: Run, saved: Checkpoint, keep_rates: bool) -> None:
    """Load weights, their average, the balancer's state and the optimizer's moments.

    keep_rates: whether the optimizer keeps the rates and knobs that the config gave it.
    """
    run.unwrapped_objective.model.load_state_dict(saved.tensors["model"])
    run.balancer.load_state_dict(saved.tensors.get("balancer", {}))
    if run.average is not None:
        run.average.load_state_dict(saved.tensors.get("ema", saved.tensors["model"]))
    plain = saved.state["optimizer"]
    if keep_rates:
        here = optimizer_state(run.optimizer)[1]["param_groups"]
        # What a group has gained since, such as the number of its steps, was learned.
        plain = {**plain, "param_groups": [old | new for old, new in zip(plain["param_groups"], here, strict=True)]}
    load_optimizer_state(run.optimizer, saved.tensors["optimizer"], plain)
    if run.accelerator.scaler is not None and saved.state["scaler"]:
        run.accelerator.scaler.load_state_dict(saved.state["scaler"])


def _apply_changes(run: Run, changes: Mapping[str, str], scores: Sequence[float | None]) -> None:
    """Set what depends on the config to the step that the run has reached. `scores`: of its epochs, where known."""
    config, progress, order = run.config, run.progress, run.train_loader.order
    if any(key in ("batch_size", "seed") or key.startswith("data.") for key in changes):
        # The rest of the epoch would have other batches: some samples would come twice and others never.
        progress.step, progress.seconds = 0, 0.0
    run.schedule.replay(min(progress.epoch, config.epochs), progress.step, order.num_steps, scores)
    selects_anew = any(key == "select_by" or key.endswith(".primary_metric") for key in changes)
    if selects_anew:
        run.schedule.forget_best()
    if progress.best and selects_anew:
        progress.best_score = score_of(progress.best, run.tasks, config.select_by)
        progress.improved_epoch, progress.improved_score = progress.best_epoch or 0, progress.best_score


def _misfits(run: Run, saved: Checkpoint) -> list[str]:
    """Name the parts of the run that the checkpoint's tensors cannot be loaded into."""
    problems = []
    for name, module, knobs in (
        ("model", run.unwrapped_objective.model, "model and the tasks' columns"),
        ("balancer", run.balancer, "balancing"),
    ):
        here = {key: list(tensor.shape) for key, tensor in module.state_dict().items()}
        there = {key: list(tensor.shape) for key, tensor in saved.tensors.get(name, {}).items()}
        others = [key for key in sorted(here.keys() | there.keys()) if here.get(key) != there.get(key)]
        if others:
            shapes = f"{others[0]} is {here.get(others[0], 'not there')}, and was {there.get(others[0], 'not there')}"
            problems.append(f"{knobs}: {len(others)} tensors differ from those in {saved.folder} ({shapes})")
    before = config_of(saved)
    if not problems and (before is None or _optimizer_layout(run, before) != _optimizer_layout(run, run.config)):
        problems.append(
            "optimizer.name, no_decay_on_norms_and_biases, model.backbone_lr_scale, model.layer_lr_decay, lr_scale of "
            f"the tasks: the optimizer in {saved.folder} is another one, or groups the parameters otherwise"
        )
    if before is not None and (changed := _changed_scales(before, run.config)):
        problems.append(f"{', '.join(changed)}: the network in {saved.folder} learned values of another scale")
    return problems


def _changed_scales(before: Config, now: Config) -> list[str]:
    """Knobs of regression tasks that decide on what the network's outputs mean, and are not as they were."""
    return [
        f"tasks.{name}.{knob}"
        for name, task in now.tasks.items()
        for knob in ("standardise", "log1p")
        if getattr(task, knob, None) != getattr(before.tasks.get(name), knob, None)
    ]


def _optimizer_layout(run: Run, config: Config) -> tuple[str, list[list[int]]]:
    """Name of the optimizer, and the parameters of each group in order: what its state depends on."""
    groups = parameter_groups(run.unwrapped_objective, run.unwrapped_objective.model, config)
    return config.optimizer.name, [[id(parameter) for parameter in group["params"]] for group in groups]
