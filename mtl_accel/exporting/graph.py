"""The module that is exported, from uint8 pictures to probabilities, and the metadata beside it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from ..config.sections.transforms import Normalize
from ..core.tasks import Task
from ..models.base import Pair
from ..objective.losses.ordinal import LOG_PROBABILITIES
from ..runs.model_folder import ModelDescription

# Not 1, which an exporter takes for a constant.
_TRACED_BATCH = 2
DYNAMIC_SHAPES = {"images": {0: Dim("batch", min=1)}}


class Normalization(nn.Module):
    """Scale pixels to [0, 1], subtract the mean and divide by the standard deviation, in the run's own steps."""

    mean: Tensor
    std: Tensor

    def __init__(self, normalize: Normalize) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(normalize.mean, dtype=torch.float32)[:, None, None])
        self.register_buffer("std", torch.tensor(normalize.std, dtype=torch.float32)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return (images.to(torch.float32) / 255 - self.mean) / self.std


class Graph(nn.Module):
    """A model with its normalisation before and its softmax and sigmoids behind it.

    Args:
        model: on the CPU.
        description: the model folder's.
    """

    def __init__(self, model: Pair, description: ModelDescription) -> None:
        super().__init__()
        pipeline = description.pipeline
        assert len(pipeline.batched.operations) == 1, "the rule of transforms.eval: resized, cropped, normalised"
        self.pipeline = pipeline
        self.normalization, self.model, self.tasks = Normalization(pipeline.normalize), model, description.tasks
        self.eval().to(memory_format=torch.contiguous_format)  # as a file holds them

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return {task: float32 [B, C]} of uint8 [B, 3, H, W]: probabilities, or a regression's values unscaled.

        Crops of each picture are [B, crops, 3, h, w] where pictures have several sizes; else they are cut here. They
        pass the model in one batch, so that the graph holds the model once.
        """
        views = self.pipeline.views(images)
        logits = self.model(self.normalization(torch.cat(views) if len(views) > 1 else views[0]))
        if len(views) > 1:
            logits = {n: values.reshape(len(views), -1, values.shape[1]).mean(0) for n, values in logits.items()}
        return {name: _probabilities(task, logits[name]) for name, task in self.tasks.items()}


def _probabilities(task: Task, logits: Tensor) -> Tensor:
    if task.kind == "multiclass":
        return logits.softmax(dim=1)
    if task.link is not None:
        return LOG_PROBABILITIES[task.link](logits).exp()
    if task.kind == "multilabel":
        return logits.sigmoid()
    if task.scale is None:
        return logits
    values = logits * logits.new_tensor(task.scale.std) + logits.new_tensor(task.scale.mean)
    return values.expm1() if task.scale.log1p else values


def example_images(description: ModelDescription) -> Tensor:
    """Pictures of the right shape to trace with."""
    return torch.zeros((_TRACED_BATCH, *description.pipeline.loaded_shape), dtype=torch.uint8)


def metadata(description: ModelDescription) -> dict[str, Any]:
    """Metadata of an exported file: tasks with classes and thresholds, transforms, shapes and versions."""
    described: Mapping[str, Any] = description.describe()
    return {
        "model": described["model"],
        "tasks": described["tasks"],
        "transforms": described["transforms"],
        "input": {"dtype": "uint8", "shape": ["batch", *description.pipeline.loaded_shape]},
        "outputs": "probabilities [batch, classes] of each task by its name; of a regression the values. The class of "
        "an ordinal task is the first at which their sum reaches a half",
        "versions": {name: importlib.metadata.version(name) for name in ("mtl_accel", "torch")},
    }
