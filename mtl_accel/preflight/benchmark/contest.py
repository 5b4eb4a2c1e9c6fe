"""The model alone, the data alone, our loop and its peers, measured in turn in one process and precision."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from accelerate import Accelerator

from ...config import Config
from ...data.labels.dataset import LabeledDataset
from ...data.loading.broken_images import read_training_data
from ...training.loaders import build_loaders
from ...training.run import Run
from .clock import Contestant, measure_in_turn
from .contestants.huggingface import HuggingFace
from .contestants.notebook import Notebook
from .contestants.ours import DataAlone, Limit, Loop
from .contestants.peer import differences
from .prepare import prepare_run, start_accelerator, subset, temporary_folders, whole_batches
from .settings import Settings

CACHES = ("disk", "device", "none")
PEERS = ("huggingface", "notebook")
PLAIN = "huggingface_plain"  # in float32, beside a run of ours that is not
_MIN_STEPS = 2  # of a round whose length nobody set


def compare_loops(config: Config, settings: Settings) -> dict[str, Any]:
    """The contest without the model alone and the data alone."""
    return contest(config, settings, only_loops=True)


def contest(config: Config, settings: Settings, only_loops: bool = False) -> dict[str, Any]:
    """One row of results, fit for JSON; `only_loops` leaves out the model alone and the data alone."""
    config = config.model_copy(update={"epochs": max(config.epochs, settings.rounds)})
    accelerator, micro_batch_size = start_accelerator(config)
    labelled = read_training_data(config)
    with temporary_folders(config) as config:
        images = settings.images or _images_within(settings.seconds, config, accelerator, labelled, micro_batch_size)
        part = subset(labelled, whole_batches(images, config.samples_per_step, len(labelled.splits["train"])))
        run = prepare_run(config, accelerator, part, micro_batch_size)
        seconds = measure_in_turn(_contestants(run, part, settings, only_loops), settings.rounds)
        accelerator.free_memory()
    return {
        **_described(run, part, settings),
        **_results(seconds, len(part.splits["train"]), len(part.splits["validation"])),
        "notes": differences(config, part) if settings.peers else [],
        "seconds": seconds.to_dict("list"),
    }


def _images_within(
    seconds: float, config: Config, accelerator: Accelerator, labelled: LabeledDataset, micro_batch_size: int
) -> float:
    """Number of images that the model alone works through in some seconds."""
    few = subset(
        labelled, whole_batches(config.samples_per_step, config.samples_per_step, len(labelled.splits["train"]))
    )
    limit = Limit(prepare_run(config, accelerator, few, micro_batch_size))
    limit.seconds(1)  # the first step also chooses kernels and takes memory
    steps: list[float] = []
    while len(steps) < _MIN_STEPS or sum(steps) < seconds:
        steps.append(limit.seconds(1))
    accelerator.free_memory()
    # The best of them: a busy machine only ever adds.
    return max(seconds / min(steps), _MIN_STEPS) * config.samples_per_step


def _contestants(run: Run, labelled: LabeledDataset, settings: Settings, only_loops: bool) -> dict[str, Contestant]:
    """All that is measured, by the names that it has in the row."""
    config, accelerator, workers = run.config, run.accelerator, settings.peer_workers
    micro_batch_size = run.train_loader.order.micro_batch_size
    contestants: dict[str, Contestant] = {"ours": Loop(run)}
    if not only_loops:
        contestants = {"limit": Limit(run), **contestants}
        for cache in CACHES:
            changed = config.model_copy(update={"data": config.data.model_copy(update={"cache": cache})})
            train_loader, _ = build_loaders(changed, run.pipelines, accelerator, labelled, micro_batch_size)
            contestants[f"data_{cache}"] = DataAlone(run, train_loader)
    if settings.peers:
        contestants["huggingface"] = HuggingFace(config, labelled, micro_batch_size, workers)
        if accelerator.mixed_precision != "no":
            contestants[PLAIN] = HuggingFace(config, labelled, micro_batch_size, workers, plain=True)
        contestants["notebook"] = Notebook(config, labelled, accelerator.device, workers)
    return contestants


def _described(run: Run, labelled: LabeledDataset, settings: Settings) -> dict[str, Any]:
    config, device = run.config, run.accelerator.device
    return {
        "model": config.model.title,
        "image_size": list(run.pipelines.train.model_input_size),
        "batch_size": config.samples_per_step,
        "micro_batch_size": run.train_loader.order.micro_batch_size,
        "precision": run.accelerator.mixed_precision,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpu_threads": torch.get_num_threads(),
        "cache": config.data.cache,
        "train_images": len(labelled.splits["train"]),
        "validation_images": len(labelled.splits["validation"]),
        "rounds": settings.rounds,
    }


def _results(seconds: pd.DataFrame, num_train: int, num_validation: int) -> dict[str, Any]:
    """Medians over the rounds. A ratio is the median of the rounds' ratios, so that a slow round leaves no trace."""
    peers = [name for name in (*PEERS, PLAIN) if f"{name}/train" in seconds]
    train = {name.removesuffix("/train"): seconds[name] for name in seconds if name.endswith("/train")}
    validation = {"validation": seconds["ours/predict"] + seconds["ours/metrics"]}
    validation |= {f"{peer}_validation": seconds[f"{peer}/validation"] for peer in peers}
    epochs = {name: seconds.filter(regex=f"^{name}/").sum(axis=1) for name in ("ours", *peers)}
    rates = {"loop" if name == "ours" else name: num_train / each.median() for name, each in train.items()}
    rates |= {name: num_validation / each.median() for name, each in validation.items()}
    limit = {"share_of_limit": (train["limit"] / train["ours"]).median()} if "limit" in train else {}
    return {
        "images_per_second": rates,
        **limit,
        "metrics_share": (seconds["ours/metrics"] / validation["validation"]).median(),
        "epoch_seconds": {name: each.median() for name, each in epochs.items()},
        **{f"vs_{peer}": (epochs[peer] / epochs["ours"]).median() for peer in peers},
    }
