"""Debug runs: two batches of each split, or one batch learnt by heart."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import torch

from ..config import Config
from ..config.sections.losses import CrossEntropy
from ..config.sections.tasks import TaskConfig
from ..config.sections.transforms import CenterCrop, SeveralCrops
from ..core import rng
from ..core.errors import UserError
from ..core.memory import peak_bytes
from ..data.labels.dataset import LabeledDataset
from .run import Run

MODES = ("batches", "overfit")
_NUM_BATCHES = 2
_MAX_CPU_BATCH, _MAX_DRAWN = 8, 300
_OVERFIT_EPOCHS = 100
_OVERFIT_LINES = 10  # that say how the loss falls
_MAX_LOSS_SHARE = 0.1  # of the first loss, at which a batch counts as learnt


def config_for(config: Config, mode: str) -> Config:
    """Return the config of a debug run: as configured but for its length, its run folder and the batch on a CPU.

    Raises:
        UserError: there is no such mode.
    """
    if mode not in MODES:
        raise UserError(f"--debug: {mode!r} is none of {', '.join(MODES)}")
    if config.batch_size != "auto":
        config = with_small_batch(config)
    changes: dict[str, object] = {"run_dir": f"{config.run_dir}-debug", "epochs": 1}
    # Few garments are drawn: enough that every category is among them.
    drawn = config.data.wardrobe
    few = {key: min(getattr(drawn, key), _MAX_DRAWN) for key in ("num_train", "num_validation", "num_test")}
    data: dict[str, object] = {"wardrobe": drawn.model_copy(update=few)}
    # In the one epoch the whole model is to be tried.
    changes["model"] = config.model.model_copy(update={"freeze_backbone_epochs": 0})
    if mode == "overfit":
        # One epoch is one step here. Without random transforms and mixing, so that the batch stays what it is.
        # Of several crops of each picture the middle is learnt.
        fixed = [
            CenterCrop(name="CenterCrop", size=t.size) if isinstance(t, SeveralCrops) else t
            for t in config.transforms.eval
        ]
        transforms = config.transforms.model_copy(update={"train": tuple(fixed)})
        changes |= {"epochs": _OVERFIT_EPOCHS, "transforms": transforms, "mixing": ()}
        changes |= {"scheduler": None, "warmup_epochs": 0.0}
        # A smoothed target keeps the loss above 0, and a sampler would leave rows of the batch out.
        changes["tasks"] = {name: _without_smoothing(task) for name, task in config.tasks.items()}
        changes["early_stopping"] = None
        data["sampler"] = None
    changes["data"] = config.data.model_copy(update=data)
    # model_copy validates nothing: milestones may lie beyond the one epoch.
    return config.model_copy(update=changes)


def with_small_batch(config: Config) -> Config:
    """Return the config with at most 8 samples a process on a CPU: two batches of 64 take VGG16 minutes there."""
    if torch.accelerator.is_available():
        return config
    batch_size = min(config.samples_per_step, _MAX_CPU_BATCH * int(os.environ.get("WORLD_SIZE", 1)))
    return config.model_copy(update={"batch_size": batch_size, "micro_batch_size": None})


def _without_smoothing(task: TaskConfig) -> TaskConfig:
    if not isinstance(task.loss, CrossEntropy):
        return task
    return task.model_copy(update={"loss": task.loss.model_copy(update={"label_smoothing": 0.0})})


def shrink(labelled: LabeledDataset, config: Config, mode: str) -> LabeledDataset:
    """Keep the rows of two batches of each split; of one, the same for both, when it is to be learnt."""
    size = config.samples_per_step * (_NUM_BATCHES if mode == "batches" else 1)
    for split in ("train", "validation"):
        drawn = rng.random_bits(config.seed, rng.HOLDOUT, np.arange(len(labelled.splits[split])))
        labelled = labelled.select(split, np.sort(np.argsort(drawn)[:size]))
    if mode == "overfit":
        labelled.splits["validation"] = labelled.splits["train"]
        labelled.targets["validation"] = labelled.targets["train"]
    return labelled


def summary(run: Run, labelled: LabeledDataset) -> str:
    """Describe shapes, label counts and parameter counts, for the console."""
    model = run.unwrapped_objective.model
    batch = next(iter(run.validation_loader))
    images, *_ = run.pipelines.eval.views(batch.images)
    images = run.pipelines.eval.batched(images, batch.key.rows)
    lines = [f"images: {tuple(batch.images.shape)} {batch.images.dtype} -> {tuple(images.shape)} {images.dtype}"]
    for name, task in labelled.tasks.items():
        target, mask = labelled.targets["train"][name]
        shape = tuple(batch.targets[name].shape)
        lines.append(f"{name}: {task.kind}, targets {shape}, {task.num_outputs} outputs, {int(mask.sum())} labelled")
        if task.kind != "regression":
            counts = (
                np.bincount(target[mask], minlength=len(task.classes)) if target.ndim == 1 else (target * mask).sum(0)
            )
            lines.append("  " + ", ".join(f"{c}: {int(n)}" for c, n in zip(task.classes, counts, strict=True)))
    for part, module in model.named_children():
        lines.append(f"{part}: {sum(p.numel() for p in module.parameters()):,} parameters")
    return "\n".join(lines)


def overfit_line(run: Run, values: Mapping[str, float]) -> str | None:
    """Loss and primary metrics of the batch after some of the steps; None after the others.

    Args:
        values: metrics of the epoch that ends, which is one step.
    """
    step, num_steps = run.progress.epoch + 1, run.config.epochs
    if step not in np.linspace(1, num_steps, _OVERFIT_LINES).round():
        return None
    parts = [f"loss {values['loss']:.4f}", *(f"{task.metric} {values[task.metric]:.4f}" for task in run.tasks.values())]
    return f"step {step} of {num_steps}: {', '.join(parts)}"


def memory(device: torch.device) -> str:
    """Describe the peak memory of this process and of its accelerator."""
    text = f"peak memory: {peak_bytes() / 1e9:.2f} GB on the host"
    if device.type == "cuda":
        text += f", {torch.cuda.max_memory_allocated(device) / 1e9:.2f} GB on {torch.cuda.get_device_name(device)}"
    return text


def check(run: Run, mode: str) -> None:
    """Log how much memory the run took, and check that an overfit run learnt its batch.

    Raises:
        UserError: the batch was not learnt.
    """
    run.log.say(memory(run.accelerator.device))
    if mode != "overfit" or not run.accelerator.is_main_process:
        return
    losses = [row["train"]["loss"] for row in run.log.rows() if row["event"] == "epoch"]
    if losses[-1] > _MAX_LOSS_SHARE * losses[0]:
        raise UserError(
            f"--debug overfit: after {len(losses)} steps on one batch the loss is {losses[-1]:.4f}, and it began at "
            f"{losses[0]:.4f}: it should fall below a tenth. Look at optimizer.lr, the labels and the transforms"
        )
    run.log.say(f"learnt: the loss fell from {losses[0]:.4f} to {losses[-1]:.4f}")
