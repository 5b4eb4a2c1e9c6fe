"""The loops that ours is measured against: both train the model, tasks, optimizer and schedule of a config."""

from __future__ import annotations

import torch

from ....config import Config
from ....config.losses import BCE, MSE, CrossEntropy
from ....data.labels.dataset import LabeledDataset
from .accelerate_loop import HuggingFace
from .notebook_loop import Notebook

__all__ = ["HuggingFace", "Notebook", "differences", "huggingface", "notebook"]


def huggingface(
    config: Config, labelled: LabeledDataset, micro_batch_size: int, epochs: int, num_workers: int = 0
) -> dict[str, float]:
    """Train Hugging Face's loop in float32 for some epochs, at least 1; its validation metrics after the last."""
    config = config.model_copy(update={"epochs": epochs})
    return _train(HuggingFace(config, labelled, micro_batch_size, num_workers, plain=True), epochs)


def notebook(
    config: Config, labelled: LabeledDataset, device: torch.device, epochs: int, num_workers: int = 0
) -> dict[str, float]:
    """Train the notebook's loop for some epochs, at least 1; its validation metrics after the last."""
    return _train(Notebook(config.model_copy(update={"epochs": epochs}), labelled, device, num_workers), epochs)


def _train(peer: HuggingFace | Notebook, epochs: int) -> dict[str, float]:
    metrics: dict[str, float] = {}
    for _ in range(epochs):
        peer.train_epoch()
        metrics = peer.validate()  # after each epoch, as both do
    return metrics


def differences(config: Config, labelled: LabeledDataset) -> list[str]:
    """What the peers do otherwise than the config asks."""
    blank = sum(int((~mask).sum()) for _, mask in labelled.targets["train"].values())
    found = [f"the peers know no missing labels, and take {blank:,} of the training split as 0"] if blank else []
    if config.balancing.name != "fixed":
        found.append(f"the peers sum the weighted losses, and know no balancing such as {config.balancing.name!r}")
    plain = (CrossEntropy(name="cross_entropy"), BCE(name="bce"), MSE(name="mse"))
    others = [name for name, task in config.tasks.items() if task.loss not in plain]
    if others:
        found.append(f"the peers train {', '.join(others)} on cross-entropy or squared error without options")
    if config.data.sampler is not None:
        found.append("the peers see each sample once an epoch, and know no sampler")
    if config.mixing:
        found.append(f"the peers mix no pictures, and know no {' or '.join(method.name for method in config.mixing)}")
    return found
