"""One process, one precision: the model alone, the data alone, our loop and the peers, measured in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
from accelerate import Accelerator

from ..config import Config
from ..data.labels.dataset import LabeledDataset, read_dataset
from ..runs.log import RunLog
from ..training.build import build_run
from ..training.checkpointing import Checkpoints
from ..training.loaders import build_loaders, build_pipelines
from ..training.run import Run
from .clock import Arm, interleave, median_ratio, seconds_of, together
from .contestants.limit import Limit
from .contestants.loop import Loop
from .contestants.peers import HuggingFace, Notebook, differences
from .contestants.pipeline import Pipeline
from .settings import Settings
from .workplace import accelerator_of, cut, whole_batches, workplace

CACHES = ("disk", "device", "none")
PEERS = ("huggingface", "notebook")
PLAIN = "huggingface_plain"  # in float32, beside a run of ours that is not
_LEAST_STEPS = 2  # of a round whose length nobody set


def contest(config: Config, settings: Settings, only_loops: bool = False) -> dict[str, Any]:
    """One row of results; `only_loops` leaves out the model alone and the data alone."""
    config = config.model_copy(update={"epochs": max(config.epochs, settings.rounds)})
    accelerator, micro_batch_size = accelerator_of(config)
    labelled = read_dataset(config)
    with workplace(config) as config:
        images = settings.images or _fitting(config, accelerator, labelled, micro_batch_size, settings.seconds)
        part = cut(labelled, whole_batches(images, config.batch_size, len(labelled.splits["train"])))
        run = _run(config, accelerator, part, micro_batch_size)
        arms: dict[str, Arm] = {"ours": Loop(run, Checkpoints(config, part.fingerprint))}
        if not only_loops:
            arms = {"limit": Limit(run), **arms, **_pipelines(config, run, part, micro_batch_size)}
        if settings.peers:
            arms |= _peers(config, run, part, micro_batch_size, settings.peer_workers)
        measured = interleave(arms, settings.rounds)
        accelerator.free_memory()
    notes = differences(config, part) if settings.peers else []
    return {**_described(config, run, part, settings), **_results(measured, part), "notes": notes, "seconds": measured}


def _run(config: Config, accelerator: Accelerator, labelled: LabeledDataset, micro_batch_size: int) -> Run:
    log = RunLog(Path(config.run_dir), accelerator)
    return build_run(config, build_pipelines(config), accelerator, labelled, micro_batch_size, log)


def _fitting(
    config: Config, accelerator: Accelerator, labelled: LabeledDataset, micro_batch_size: int, seconds: float
) -> float:
    """How many images the model alone works through in some seconds."""
    few = whole_batches(config.batch_size, config.batch_size, len(labelled.splits["train"]))
    limit = Limit(_run(config, accelerator, cut(labelled, few), micro_batch_size))
    limit.seconds(1)  # the first step also chooses kernels and takes memory
    steps: list[float] = []
    while len(steps) < _LEAST_STEPS or sum(steps) < seconds:
        steps.append(limit.seconds(1))
    accelerator.free_memory()
    # The best of them: a busy machine only ever adds.
    return max(seconds / min(steps), _LEAST_STEPS) * config.batch_size


def _pipelines(config: Config, run: Run, labelled: LabeledDataset, micro_batch_size: int) -> dict[str, Arm]:
    found: dict[str, Arm] = {}
    for cache in CACHES:
        changed = config.model_copy(update={"data": config.data.model_copy(update={"cache": cache})})
        train_loader, _ = build_loaders(changed, run.pipelines, run.accelerator, labelled, micro_batch_size)
        found[f"data_{cache}"] = Pipeline(run, train_loader)
    return found


def _peers(
    config: Config, run: Run, labelled: LabeledDataset, micro_batch_size: int, num_workers: int
) -> dict[str, Arm]:
    device = run.accelerator.device
    names = ["huggingface"] if run.accelerator.mixed_precision == "no" else ["huggingface", PLAIN]
    peers: dict[str, HuggingFace | Notebook] = {
        name: HuggingFace(config, labelled, micro_batch_size, num_workers, plain=name == PLAIN) for name in names
    }
    peers["notebook"] = Notebook(config, labelled, device, num_workers)
    return {name: _epoch(peer, device) for name, peer in peers.items()}


def _epoch(peer: HuggingFace | Notebook, device: torch.device) -> Arm:
    def epoch() -> dict[str, float]:
        with _fastest_kernels():
            return {"train": seconds_of(peer.train_epoch, device), "validation": seconds_of(peer.validate, device)}

    return epoch


@contextmanager
def _fastest_kernels() -> Iterator[None]:
    """cuDNN as torch sets it: a run of ours asks for kernels that can be repeated, and no peer does."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def _described(config: Config, run: Run, labelled: LabeledDataset, settings: Settings) -> dict[str, Any]:
    device = run.accelerator.device
    return {
        "model": config.model.name,
        "image_size": list(run.pipelines.train.model_input_size),
        "batch_size": config.batch_size,
        "micro_batch_size": run.train_loader.order.micro_batch_size,
        "precision": run.accelerator.mixed_precision,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "cpu_threads": torch.get_num_threads(),
        "cache": config.data.cache,
        "train_images": len(labelled.splits["train"]),
        "validation_images": len(labelled.splits["validation"]),
        "rounds": settings.rounds,
    }


def _results(measured: dict[str, list[float]], labelled: LabeledDataset) -> dict[str, Any]:
    """Rates and whole epochs are medians over the rounds; so are the ratios, each of the two in the same round."""
    num_train, num_validation = (len(labelled.splits[split]) for split in ("train", "validation"))
    evaluation = together(measured, "ours/predict", "ours/metrics")
    measured_peers = [peer for peer in (*PEERS, PLAIN) if f"{peer}/train" in measured]
    epochs = {"ours": together(measured, "ours/train", "ours/train_metrics", "ours/predict", "ours/metrics")}
    epochs |= {p: together(measured, f"{p}/train", f"{p}/validation") for p in measured_peers}
    passes = {name.removesuffix("/train"): each for name, each in measured.items() if name.endswith("/train")}
    validations = {
        "validation": evaluation,
        **{f"{p}_validation": measured[f"{p}/validation"] for p in measured_peers},
    }
    rates = {"loop" if name == "ours" else name: num_train / median(each) for name, each in passes.items()}
    rates |= {name: num_validation / median(each) for name, each in validations.items()}
    limit = {"share_of_limit": median_ratio(passes["limit"], passes["ours"])} if "limit" in passes else {}
    return {
        "images_per_second": rates,
        **limit,
        "metrics_share": median_ratio(measured["ours/metrics"], evaluation),
        "epoch_seconds": {name: median(each) for name, each in epochs.items()},
        **{f"vs_{peer}": median_ratio(epochs[peer], epochs["ours"]) for peer in measured_peers},
    }
