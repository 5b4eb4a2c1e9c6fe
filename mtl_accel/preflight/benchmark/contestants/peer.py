"""Base of the peers: the model with its losses in it, torch's own optimizer, and torchvision's own transforms."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from .... import models
from ....config import Config
from ....config.sections.losses import BCE, MSE, CrossEntropy
from ....config.sections.tasks import task_heads
from ....config.sections.transforms import CenterCrop, PadToSquare, RequireSize, SeveralCrops, Transform
from ....core import rng
from ....core.tasks import Task
from ....data.labels.dataset import LabeledDataset
from ....data.transforms.cached import transform_picture
from ....training.optimization.optimizers import build_optimizer
from ....training.optimization.schedule import Schedule
from ..clock import seconds_of

CRITERIA: dict[str, type[nn.Module]] = {
    "multiclass": nn.CrossEntropyLoss,
    "multilabel": nn.BCEWithLogitsLoss,
    "regression": nn.MSELoss,
}
_ENUMS = {"interpolation": v1.InterpolationMode, "policy": v1.AutoAugmentPolicy}
_OF_TENSORS = ("Normalize", "RandomErasing", "GaussianNoise")


class ModelWithLoss(nn.Module):
    """A pair that also gives the weighted sum of its tasks' losses, as models of `transformers` do."""

    def __init__(self, config: Config, tasks: Mapping[str, Task]) -> None:
        super().__init__()
        torch.manual_seed(rng.seed_of(config.seed, rng.INITIAL))  # the weights that our run starts from
        outputs = {name: task.num_outputs for name, task in tasks.items()}
        self.pair = models.build_pair(config.model, outputs, config.model.weights, task_heads(config.tasks))
        self.criteria = nn.ModuleDict({name: CRITERIA[task.kind]() for name, task in tasks.items()})
        self.weights = {name: task.weight for name, task in tasks.items()}

    def forward(self, pixel_values: Tensor, **labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """pixel_values float [B, 3, H, W] and each task's labels -> loss (scalar), {task: logits [B, C]}."""
        logits = self.pair(pixel_values)
        losses = [self.weights[name] * self.criteria[name](logits[name], labels[name]) for name in labels]
        return torch.stack(losses).sum(), logits


class Peer(ABC):
    """A loop that ours is measured against. It trains the model, tasks, optimizer and schedule of a config."""

    def __init__(self, config: Config, labelled: LabeledDataset, device: torch.device) -> None:
        self.config, self.device = config, device
        self.tasks = {name: _plain(task) for name, task in labelled.tasks.items()}
        self.model: nn.Module = ModelWithLoss(config, self.tasks).to(device)
        self.optimizer = build_optimizer(config.optimizer, self.model.parameters(), fused=False)
        num_steps = math.ceil(len(labelled.splits["train"]) / config.samples_per_step)
        self.schedule = Schedule(self.optimizer, config.scheduler, config.epochs, num_steps, config.warmup_epochs)

    def __call__(self) -> dict[str, float]:
        """Seconds of an epoch of training, and of the validation after it."""
        parts = {"train": self.train_epoch, "validation": self.validate}
        with _fastest_kernels():
            return {name: seconds_of(work, self.device) for name, work in parts.items()}

    @abstractmethod
    def train_epoch(self) -> object:
        """Train one epoch."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Metrics of the validation split by their full names."""


def _plain(task: Task) -> Task:
    """The task as a peer trains it: numbers as they are, and ordered classes without their order."""
    return replace(task, scale=None, link=None, kind="multiclass" if task.kind == "ordinal" else task.kind)


@contextmanager
def _fastest_kernels() -> Iterator[None]:
    """cuDNN as torch sets it: a run of ours asks for kernels that can be repeated, and no peer does."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = False
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def pil_transforms(configured: Sequence[Transform]) -> v1.Compose:
    """The transforms of a config as torchvision's, for a picture of Pillow's: float [3, h, w].

    Of torchvision's two sets it is the older one, as in both originals, but for what only the newer one has.
    """
    steps: list[Any] = []
    for transform in map(_as_torchvisions, configured):
        if transform is None:
            continue
        if isinstance(transform, PadToSquare):
            steps.append(partial(transform_picture, transform=transform, place="a peer"))
            continue
        if transform.name in _OF_TENSORS and not any(isinstance(step, v1.ToTensor) for step in steps):
            steps.append(v1.ToTensor())
        arguments = transform.model_dump(exclude={"name", "batched"})
        for key in _ENUMS.keys() & arguments.keys():
            arguments[key] = _ENUMS[key](arguments[key])
        if isinstance(arguments.get("fill"), float):
            arguments["fill"] = round(arguments["fill"])  # Pillow knows whole values only
        has_old = arguments.get("size", 0) is not None  # the older Resize knows no null
        kind = getattr(v1, transform.name, None) if has_old else None
        kind = kind or getattr(v2, transform.name)
        steps.append(kind(**arguments))
    return v1.Compose(steps)


def _as_torchvisions(transform: Transform) -> Transform | None:
    """A transform that a peer can have in place of one of ours that gives no single picture; None: none is needed."""
    if isinstance(transform, RequireSize):
        return None
    return CenterCrop(name="CenterCrop", size=transform.size) if isinstance(transform, SeveralCrops) else transform


def differences(config: Config, labelled: LabeledDataset) -> list[str]:
    """List what the peers do in another way than the config asks, a line each."""
    blank = sum(int((~mask).sum()) for _, mask in labelled.targets["train"].values())
    notes = [f"the peers do not support missing labels, and take {blank:,} of the training split as 0"] if blank else []
    if config.balancing.name != "fixed":
        notes.append(f"the peers sum the weighted losses, and do not balance them by {config.balancing.name!r}")
    plain = (CrossEntropy(name="cross_entropy"), BCE(name="bce"), MSE(name="mse"))
    others = [name for name, task in config.tasks.items() if task.loss not in plain]
    if others:
        notes.append(f"the peers train {', '.join(others)} on cross-entropy or squared error without options")
    standardised = [name for name, task in labelled.tasks.items() if task.scale is not None]
    if standardised:
        notes.append(f"the peers train {', '.join(standardised)} in the unit of the columns, not standardised")
    if config.data.sampler is not None:
        notes.append("the peers see each sample once an epoch, and do not support a sampler")
    crops = [t.name for t in config.transforms.eval if isinstance(t, SeveralCrops)]
    if crops:
        notes.append(f"the peers validate on the middle of each picture, and not on the crops of {crops[0]}")
    if config.mixing:
        notes.append(f"the peers do not mix pictures by {' or '.join(method.name for method in config.mixing)}")
    return notes
