"""A finished model at work: from pictures to logits, probabilities and labels."""

from __future__ import annotations

from pathlib import Path

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor

from . import finished, inference
from .config.transforms import cached_prefix
from .data.augment import Augmentation
from .data.loading import EvaluationLoader, MicroBatches
from .data.pixels import DecodedPixels
from .errors import UserError
from .finished import Finished
from .models.pair import Pair
from .objective import split_logits


class Predictor:
    """A model with the pixels that it was trained on: the same decoding, resizing, precision and batch size.

    Args:
        batch_size: None: that of the run's validation, which gives its figures to the last digit.
        num_workers: processes that decode pictures.
        accelerator: deals the batches to the processes of a launch; None: this process does all of them.
    """

    def __init__(
        self,
        model: Pair,
        description: Finished,
        device: torch.device | str = "cpu",
        *,
        batch_size: int | None = None,
        num_workers: int = 0,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.device = torch.device(device) if accelerator is None else accelerator.device
        self.model = model.to(self.device).to(memory_format=torch.channels_last).eval()
        self.description, self.tasks, self.thresholds = description, description.tasks, description.thresholds
        self.batch_size, self.num_workers = batch_size or description.batch_size, num_workers
        self.accelerator = accelerator
        self.prefix = cached_prefix(description.transforms)
        self.transforms = Augmentation(description.transforms, seed=0)

    def logits(self, split: datasets.Dataset, *, mirrored: bool = False, name: str = "images") -> Tensor:
        """float32 [N, outputs] of a split with the columns `id` and `image`, in its order; on the main process only.

        Args:
            mirrored: of the pictures with left and right exchanged.
            name: of the split, for messages.

        Raises:
            UserError: a picture that cannot be decoded.
        """
        pixels = MicroBatches(DecodedPixels(split, self.prefix, name), {})
        rank, processes = (0, 1) if self.accelerator is None else self._place(self.accelerator)
        loader = EvaluationLoader(pixels, self.batch_size, rank, processes, self.num_workers, self.device)
        precision = self.description.precision
        seen = inference.predict(self.model, loader, self.transforms, self.tasks, self.device, precision, mirrored)
        ids, logits = seen.gather(self.accelerator)
        if self.accelerator is None or self.accelerator.is_main_process:
            assert torch.equal(ids, torch.arange(len(split))), "a picture was lost or doubled"
        return logits

    def probabilities(
        self, split: datasets.Dataset, *, flip: bool = False, name: str = "images"
    ) -> dict[str, np.ndarray]:
        """Of each task float64 [N, C], on the main process only; the values themselves of a regression.

        Args:
            flip: the mean over each picture and its mirror image.
        """
        passes = [
            self.logits(split, mirrored=mirrored, name=name) for mirrored in ((False, True) if flip else (False,))
        ]
        parts = [split_logits(logits.double(), self.tasks) for logits in passes]
        return {
            task: np.mean([self.tasks[task].probabilities(part[task].numpy()) for part in parts], axis=0)
            for task in self.tasks
        }

    @staticmethod
    def _place(accelerator: Accelerator) -> tuple[int, int]:
        return accelerator.process_index, accelerator.num_processes


def load(
    path: str | Path,
    device: torch.device | str | None = None,
    *,
    batch_size: int | None = None,
    num_workers: int = 0,
    accelerator: Accelerator | None = None,
) -> Predictor:
    """The predictor of a run folder, or of the `model/` in it.

    Args:
        device: None: the accelerator that is there, else the CPU.

    Raises:
        UserError: there is no finished model, or it is damaged.
    """
    folder = find(Path(path))
    description = finished.read(folder)
    model = finished.load_weights(folder, description)
    if device is None:
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        device = found or torch.device("cpu")
    return Predictor(
        model, description, device, batch_size=batch_size, num_workers=num_workers, accelerator=accelerator
    )


def find(path: Path) -> Path:
    """The folder of the finished model: `path` itself, or `model` in it. Raises UserError where there is neither."""
    for folder in (path, path / "model"):
        if (folder / "model.safetensors").is_file():
            return folder
    raise UserError(
        f"{path} is neither a run folder with a finished model in it nor such a model; a run writes RUN/model when it "
        "has finished"
    )
