"""Names that users bring from other libraries, and the knobs that they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from ..knobs import all_knobs, did_you_mean
from ..root import Root
from ..sections.optimizer_names import CANNOT_WORK, TIMM

_ACCUMULATION = (
    "batch_size, that of one optimizer step over all processes, and micro_batch_size, that of one forward pass; the "
    "gradients of all micro-batches of a step are accumulated"
)
_PRECISION = 'mixed_precision, such as "bf16"'
_LAUNCHER = "no knob: the launcher says on what a run runs, as in accelerate launch --num_processes 2"
_WARMUP = "warmup_epochs, which counts epochs and may be a fraction, such as 0.5"
_SIZE = 'transforms, such as {"name": "Resize", "size": [224, 224]} in both lists'
_EVALUATION = "no knob: evaluation takes batches of the size of a micro-batch"
_RESUME = "no knob but an option of the command: --resume auto"

# What is meant by a key, in lower case. Keys of ours in another section need no entry.
_MEANT: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("gradient_accumulation_steps", "accumulate_grad_batches", "gradient_accumulation", "grad_accum_steps"),
        _ACCUMULATION,
    ),
    **dict.fromkeys(("grad_accum", "accumulation_steps", "accum_iter", "per_device_train_batch_size"), _ACCUMULATION),
    **dict.fromkeys(("learning_rate", "base_lr", "initial_lr", "lr"), "optimizer.lr"),
    **dict.fromkeys(("wd", "l2", "weight_decay"), "optimizer.weight_decay"),
    **dict.fromkeys(("num_epochs", "num_train_epochs", "max_epochs", "n_epochs", "nb_epochs"), "epochs"),
    **dict.fromkeys(("train_batch_size", "global_batch_size", "batch", "bs"), "batch_size"),
    **dict.fromkeys(("eval_batch_size", "val_batch_size", "test_batch_size"), _EVALUATION),
    "per_device_eval_batch_size": _EVALUATION,
    **dict.fromkeys(("fp16", "bf16", "amp", "use_amp", "precision", "half", "mixed", "dtype"), _PRECISION),
    **dict.fromkeys(("workers", "dataloader_num_workers", "n_workers", "num_loader_workers"), "data.num_workers"),
    **dict.fromkeys(("dataset", "dataset_name", "data_dir", "data_path", "data_root", "root", "path"), "data.source"),
    **dict.fromkeys(("output_dir", "out_dir", "save_dir", "log_dir", "logdir", "logging_dir", "workdir"), "run_dir"),
    **dict.fromkeys(("random_seed", "manual_seed", "random_state"), "seed"),
    **dict.fromkeys(("arch", "architecture", "model_name", "network", "net"), "model.name"),
    **dict.fromkeys(("pretrained", "weights", "pretrained_weights", "init_checkpoint"), "model.weights"),
    **dict.fromkeys(("lr_scheduler", "lr_schedule", "lr_scheduler_type", "schedule", "sched"), "scheduler"),
    **dict.fromkeys(("warmup", "warmup_steps", "warmup_ratio", "num_warmup_steps", "warmup_iters"), _WARMUP),
    **dict.fromkeys(
        ("max_grad_norm", "clip_grad", "clip_grad_norm", "gradient_clip_val", "grad_clip", "gradient_clip"),
        "gradient_clip_norm",
    ),
    **dict.fromkeys(("ema", "use_ema", "model_ema", "model_ema_decay"), "ema_decay"),
    **dict.fromkeys(("early_stopping_patience",), "early_stopping.patience"),
    **dict.fromkeys(("loss", "losses", "loss_fn", "criterion"), "tasks.NAME.loss"),
    **dict.fromkeys(("smoothing", "label_smoothing_factor"), "tasks.NAME.loss.label_smoothing"),
    **dict.fromkeys(("task_weights", "loss_weights"), "tasks.NAME.weight"),
    **dict.fromkeys(("mixup", "cutmix", "mixup_alpha", "cutmix_alpha"), 'mixing, such as [{"name": "mixup"}]'),
    **dict.fromkeys(("image_size", "img_size", "input_size", "crop_size", "resolution"), _SIZE),
    **dict.fromkeys(("augmentation", "augmentations", "augment", "transform"), "transforms.train"),
    **dict.fromkeys(("num_classes", "n_classes", "num_labels"), "tasks.NAME.classes; null: found in the data"),
    **dict.fromkeys(("device", "gpus", "num_gpus", "n_gpu", "n_gpus", "devices", "num_processes", "nodes"), _LAUNCHER),
    **dict.fromkeys(("report_to", "logger", "loggers", "log_with", "tracker"), 'trackers, such as ["tensorboard"]'),
    **dict.fromkeys(
        ("logging_steps", "log_interval", "log_every_n_steps", "log_every", "print_freq"), "log_every_steps"
    ),
    **dict.fromkeys(("save_steps", "save_interval", "save_every", "checkpoint_interval"), "checkpoint_every_steps"),
    **dict.fromkeys(("save_total_limit", "save_top_k"), "keep_last"),
    **dict.fromkeys(("metric_for_best_model", "monitor", "best_metric"), "select_by"),
    **dict.fromkeys(("resume", "resume_from", "resume_from_checkpoint", "ckpt_path"), _RESUME),
    **dict.fromkeys(("torch_compile", "jit"), "compile"),
    **dict.fromkeys(("sync_bn", "syncbn"), "sync_batchnorm"),
    **dict.fromkeys(("freeze", "freeze_backbone", "freeze_epochs"), "model.freeze_backbone_epochs"),
    **dict.fromkeys(("val_split", "val_fraction", "validation_split", "test_size"), "data.validation_fraction"),
}


def meant_by(path: Sequence[str]) -> str:
    """End of a message on a key that is not known at a place: the knob of ours that it means; empty if none does.

    Args:
        path: such as ["data", "batch_size"].
    """
    here, key = ".".join(path), path[-1].lower().replace("-", "_")
    meant = _MEANT.get(key)
    if meant is not None and meant != here:
        return f"; here it is {meant}"
    elsewhere = [knob.path for knob in all_knobs(Root) if knob.path.rpartition(".")[2] == key]
    return f"; it stands in another place: {' or '.join(dict.fromkeys(elsewhere))}" if elsewhere else ""


def meant_by_name(path: Sequence[str], name: str, known: Sequence[str]) -> str:
    """End of a message on a name that is none of some known ones: the one that it means, or why it is not known."""
    if list(path) == ["optimizer", "name"]:
        reason = next((why for other, why in CANNOT_WORK.items() if other.lower() == name.lower()), None)
        if reason is not None:
            return f"; it {reason}"
        of_timm = TIMM + name.lower().rpartition("/")[2]
        if of_timm in known and name.lower() not in map(str.lower, known):
            return f"; did you mean {of_timm!r}?"
    return did_you_mean(name, known)
