"""What the peers read: the same image files, decoded by Pillow and transformed by torchvision, one at a time."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms as torchvision_transforms
from torchvision.transforms import InterpolationMode

from ...config.transforms import Transform
from ...data.labelled import Labelled

Example = Mapping[str, Any]


def pil_transforms(configured: Sequence[Transform]) -> torchvision_transforms.Compose:
    """The transforms of a config as torchvision's, for a picture of Pillow's: float [3, h, w]."""
    steps: list[Any] = []
    for transform in configured:
        arguments = transform.model_dump(exclude={"name"})
        if "interpolation" in arguments:
            arguments["interpolation"] = InterpolationMode(arguments["interpolation"])
        if "fill" in arguments:
            arguments["fill"] = round(arguments["fill"])  # Pillow knows whole values only
        if transform.name == "Normalize":
            steps.append(torchvision_transforms.ToTensor())
        steps.append(getattr(torchvision_transforms, transform.name)(**arguments))
    return torchvision_transforms.Compose(steps)


class _TransformRows:
    """What `with_transform` calls for each read: a class, because a closure cannot be sent to a worker."""

    def __init__(self, transform: torchvision_transforms.Compose) -> None:
        self.transform = transform

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows["pixel_values"] = [self.transform(image.convert("RGB")) for image in rows["image"]]
        del rows["image"]
        return rows


def hub_style(labelled: Labelled, split: str, transforms: Sequence[Transform]) -> datasets.Dataset:
    """A `datasets.Dataset` with one column a task and `pixel_values`, made when a row is read."""
    columns = {name: list(target) for name, (target, _) in labelled.targets[split].items()}
    rows = datasets.Dataset.from_dict({"image": list(labelled.splits[split]["image"]), **columns})
    rows = rows.cast_column("image", datasets.Image())
    return rows.with_transform(_TransformRows(pil_transforms(transforms)))


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    columns = {key: [example[key] for example in examples] for key in examples[0] if key != "pixel_values"}
    pixel_values = torch.stack([example["pixel_values"] for example in examples])
    return {"pixel_values": pixel_values, **{name: torch.tensor(np.array(value)) for name, value in columns.items()}}


class NotebookData(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Opens, transforms and labels one picture at a time."""

    def __init__(self, labelled: Labelled, split: str, transforms: Sequence[Transform]) -> None:
        self.images = list(labelled.splits[split]["image"])
        self.targets = {name: torch.from_numpy(target) for name, (target, _) in labelled.targets[split].items()}
        self.transform = pil_transforms(transforms)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        value = self.images[index]
        source = value["path"] if value["bytes"] is None else io.BytesIO(value["bytes"])
        with Image.open(source) as opened:
            pixels = self.transform(opened.convert("RGB"))
        return pixels, {name: target[index] for name, target in self.targets.items()}
