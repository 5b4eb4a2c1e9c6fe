"""The loop of a notebook, in our own words."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ....config import Config
from ....config.sections.transforms import Transform
from ....core.tasks import Task
from ....data.labels.dataset import LabeledDataset
from .peer import Peer, pil_transforms


class Notebook(Peer):
    """Plain float32, `loss.item()` each step, scikit-learn's metrics over each epoch."""

    def __init__(self, config: Config, labelled: LabeledDataset, device: torch.device, num_workers: int = 0) -> None:
        super().__init__(config, labelled, device)
        torch.manual_seed(config.seed)
        train = _Pictures(labelled, "train", config.transforms.train)
        validation = _Pictures(labelled, "validation", config.transforms.eval)
        self.train_loader = DataLoader(train, config.samples_per_step, shuffle=True, num_workers=num_workers)
        self.eval_loader = DataLoader(validation, config.samples_per_step, num_workers=num_workers)

    def train_epoch(self) -> dict[str, float]:
        """Returns loss, accuracy and F1 of its samples."""
        self.model.train()
        metrics = self._pass(self.train_loader, trains=True)
        self.schedule.after_epoch()
        return metrics

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Validation loss, and accuracy, macro F1 or mean absolute error of each task by its full name."""
        self.model.eval()
        return self._pass(self.eval_loader, trains=False)

    def _pass(self, loader: DataLoader, trains: bool) -> dict[str, float]:
        total, samples = 0.0, 0
        predictions: dict[str, list[np.ndarray]] = {name: [] for name in self.tasks}
        references: dict[str, list[np.ndarray]] = {name: [] for name in self.tasks}
        for images, labels in loader:
            images = images.to(self.device)
            labels = {name: label.to(self.device) for name, label in labels.items()}
            loss, logits = self.model(images, **labels)
            if trains:
                self.optimizer.zero_grad()
                loss.backward()
                if self.config.gradient_clip_norm is not None:
                    nn.utils.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip_norm)
                self.optimizer.step()
                self.schedule.after_step()
            total, samples = total + loss.item() * len(images), samples + len(images)
            for name, task in self.tasks.items():
                predictions[name].append(_decide(task, logits[name].detach()).cpu().numpy())
                references[name].append(labels[name].cpu().numpy())
        values = [
            _metric(t, np.concatenate(references[n]), np.concatenate(predictions[n])) for n, t in self.tasks.items()
        ]
        return {"loss": total / samples, **dict(values)}


def _decide(task: Task, logits: Tensor) -> Tensor:
    if task.kind == "multiclass":
        return logits.argmax(dim=1)
    return (torch.sigmoid(logits) > 0.5).int() if task.kind == "multilabel" else logits


def _metric(task: Task, references: np.ndarray, predictions: np.ndarray) -> tuple[str, float]:
    if task.kind == "multiclass":
        return f"{task.name}/accuracy", float(accuracy_score(references, predictions))
    if task.kind == "multilabel":
        return f"{task.name}/f1_macro", float(f1_score(references, predictions, average="macro", zero_division=0))
    return f"{task.name}/mae", float(mean_absolute_error(references, predictions))


class _Pictures(Dataset[tuple[Tensor, dict[str, Tensor]]]):
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
