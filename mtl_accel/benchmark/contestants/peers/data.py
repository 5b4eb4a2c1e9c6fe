"""What the peers read: the same image files, decoded by Pillow and transformed by torchvision, one at a time."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms as v1
from torchvision.transforms import v2

from ....config.transforms import Transform
from ....data.labels.dataset import LabeledDataset

Example = Mapping[str, Any]
_ENUMS = {"interpolation": v1.InterpolationMode, "policy": v1.AutoAugmentPolicy}
_OF_TENSORS = ("Normalize", "RandomErasing", "GaussianNoise")


def pil_transforms(configured: Sequence[Transform]) -> v1.Compose:
    """The transforms of a config as torchvision's, for a picture of Pillow's: float [3, h, w].

    Of torchvision's two sets it is the older one, as in both originals, but for what only the newer one has.
    """
    steps: list[Any] = []
    for transform in configured:
        if transform.name in _OF_TENSORS and not any(isinstance(step, v1.ToTensor) for step in steps):
            steps.append(v1.ToTensor())
        arguments = transform.model_dump(exclude={"name"})
        for key in _ENUMS.keys() & arguments.keys():
            arguments[key] = _ENUMS[key](arguments[key])
        if isinstance(arguments.get("fill"), float):
            arguments["fill"] = round(arguments["fill"])  # Pillow knows whole values only
        kind = getattr(v1, transform.name, None) or getattr(v2, transform.name)
        steps.append(kind(**arguments))
    return v1.Compose(steps)


class _TransformRows:
    """What `with_transform` calls for each read: a class, because a closure cannot be sent to a worker."""

    def __init__(self, transform: v1.Compose) -> None:
        self.transform = transform

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows["pixel_values"] = [self.transform(image.convert("RGB")) for image in rows["image"]]
        del rows["image"]
        return rows


def hub_style(labelled: LabeledDataset, split: str, transforms: Sequence[Transform]) -> datasets.Dataset:
    """A `datasets.Dataset` with one column a task and `pixel_values`, made when a row is read."""
    columns = {name: target.tolist() for name, (target, _) in labelled.targets[split].items()}
    rows = datasets.Dataset.from_dict({"image": list(labelled.splits[split]["image"]), **columns})
    rows = rows.cast_column("image", datasets.Image())
    return rows.with_transform(_TransformRows(pil_transforms(transforms)))


def collate(examples: Sequence[Example]) -> dict[str, Tensor]:
    columns = {key: [example[key] for example in examples] for key in examples[0] if key != "pixel_values"}
    pixel_values = torch.stack([example["pixel_values"] for example in examples])
    return {"pixel_values": pixel_values, **{name: torch.tensor(value) for name, value in columns.items()}}


class NotebookData(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Opens, transforms and labels one picture at a time."""

    def __init__(self, labelled: LabeledDataset, split: str, transforms: Sequence[Transform]) -> None:
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
