"""The loop of Hugging Face's image-classification example without a Trainer, in our own words."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision.transforms import Compose
from tqdm import tqdm

from ....config import Config
from ....config.sections.transforms import Transform
from ....data.labels.dataset import LabeledDataset
from ....metrics import METRICS
from .peer import Peer, pil_transforms


class HuggingFace(Peer):
    """`Dataset.with_transform`, DataLoaders without workers, everything handed to `Accelerator.prepare`, `accumulate`,
    the loss summed on the device, and each batch of validation gathered and added to an `evaluate` metric.
    """

    def __init__(
        self, config: Config, labelled: LabeledDataset, micro_batch_size: int, num_workers: int = 0, plain: bool = False
    ) -> None:
        """`plain`: in float32, as the example is when nobody asks for more; else at the precision of the process."""
        # Accelerate keeps one precision for all Accelerators of a process, but each asks its own flag.
        self.accelerator = Accelerator(step_scheduler_with_optimizer=False)
        self.accelerator.native_amp = self.accelerator.native_amp and not plain
        super().__init__(config, labelled, self.accelerator.device)
        self.num_micro_batches = config.samples_per_step // micro_batch_size
        set_seed(config.seed)
        self.train_data = _read_with(config.transforms.train, labelled, "train")
        eval_data = _read_with(config.transforms.eval, labelled, "validation")
        how: dict[str, Any] = {"batch_size": micro_batch_size, "collate_fn": collate, "num_workers": num_workers}
        loaders = DataLoader(self.train_data, shuffle=True, **how), DataLoader(eval_data, **how)
        self.model, self.optimizer, self.train_loader, self.eval_loader = self.accelerator.prepare(
            self.model, self.optimizer, *loaders
        )

    def train_epoch(self) -> float:
        """Returns the mean loss of its batches."""
        accelerator, total = self.accelerator, torch.zeros((), device=self.device)
        self.model.train()
        # This, too, Accelerate keeps once: our own loop does without, and must find 1 again.
        accelerator.gradient_accumulation_steps = self.num_micro_batches
        with tqdm(total=len(self.train_loader), disable=None, leave=False) as bar:
            for batch in self.train_loader:
                with accelerator.accumulate(self.model):
                    loss, _ = self.model(**batch)
                    total += loss.detach().float()
                    accelerator.backward(loss)
                    if accelerator.sync_gradients and self.config.gradient_clip_norm is not None:
                        accelerator.clip_grad_norm_(self.model.parameters(), self.config.gradient_clip_norm)
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                if accelerator.sync_gradients:
                    self.schedule.after_step()
                bar.update()
        accelerator.gradient_accumulation_steps = 1
        self.schedule.after_epoch()
        return total.item() / len(self.train_loader)

    def validate(self) -> dict[str, float]:
        """Every validation metric by its full name, but for the losses."""
        self.model.eval()
        with tempfile.TemporaryDirectory() as folder:
            metrics = {name: METRICS[task.kind](cache_dir=folder) for name, task in self.tasks.items()}
            for batch in self.eval_loader:
                with torch.no_grad():
                    _, logits = self.model(**batch)
                for name, task in self.tasks.items():
                    scores, references = self.accelerator.gather_for_metrics((logits[name], batch[name]))
                    scores, references = task.probabilities(scores.cpu().numpy()), references.cpu().numpy()
                    labelled = np.ones(references.shape, dtype=bool)
                    metrics[name].add_batch(predictions=scores, references=references, mask=labelled)
            found = {name: metric.compute() for name, metric in metrics.items()}
        return {
            f"{name}/{metric}": float(value)
            for name, values in found.items()
            for metric, value in values.items()
            if metric != "per_label"
        }


class _TransformRows:
    """Function that `with_transform` calls at each read: a class, because a closure cannot be sent to a worker."""

    def __init__(self, transform: Compose) -> None:
        self.transform = transform

    def __call__(self, rows: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows["pixel_values"] = [self.transform(image.convert("RGB")) for image in rows.pop("image")]
        return rows


def _read_with(transforms: Sequence[Transform], labelled: LabeledDataset, split: str) -> datasets.Dataset:
    """A `datasets.Dataset` with one column a task and `pixel_values`, made when a row is read."""
    columns = {name: target.tolist() for name, (target, _) in labelled.targets[split].items()}
    rows = datasets.Dataset.from_dict({"image": list(labelled.splits[split]["image"]), **columns})
    rows = rows.cast_column("image", datasets.Image())
    return rows.with_transform(_TransformRows(pil_transforms(transforms)))


def collate(examples: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
    """Batch of rows: pixel_values float [B, 3, h, w], and each task's labels."""
    columns = {key: [example[key] for example in examples] for key in examples[0]}
    pixel_values = torch.stack(columns.pop("pixel_values"))
    return {"pixel_values": pixel_values, **{name: torch.tensor(value) for name, value in columns.items()}}
