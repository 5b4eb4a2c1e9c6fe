"""A finished model in use: from images to logits, probabilities and answers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from tqdm import tqdm

from ..core.errors import UserError, shorten
from ..core.progress import counted
from ..data.loading.inputs import ImageBatches, ImageCollection, collect_images, images_of_split, readable_batches
from ..data.loading.loader import EvaluationLoader
from ..data.transforms.pipeline import ImagePipeline
from ..launching.accelerator import configure_cuda
from ..models.base import Pair
from ..runs import model_folder
from ..runs.model_folder import ModelDescription
from . import answers
from .logits import predict_logits, split_logits
from .mean_logits import mean_logits
from .tta import TTA, Given, parse


class Predictor:
    """A model with the decoding, the resizing, the precision and the batch size of its run's validation.

    Args:
        batch_size: None: that of validation, which gives the run's figures to the last digit.
        num_workers: processes that decode images.
        accelerator: deals the batches to the processes of a launch; None: this process does all of them.
    """

    def __init__(
        self,
        model: Pair,
        description: ModelDescription,
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

    @property
    def is_main_process(self) -> bool:
        return self.accelerator is None or self.accelerator.is_main_process

    def predict(
        self, images: Any, *, probabilities: bool = False, flip: bool = False, tta: Given = None
    ) -> pd.DataFrame:
        """Predict images: one row each, in their order.

        Args:
            images: a path, a PIL image, a uint8 tensor [3, H, W], a uint8 array [H, W, 3], a list of these, a uint8
                tensor [B, 3, H, W], or a `datasets.Dataset` with a column of images. Files are decoded batch by batch.
            probabilities: whether to add those of each class and label, in columns "task/class".
            flip: decide on the mean of each image's probabilities and those of its mirror image.
            tta: decide on the mean over several views of each image, such as ["mirror", {"scales": [0.9, 1.1]},
                {"crops": 5}]: all combinations of them.

        Returns:
            `id` (the path, the data set's id, or the row's number, as text); for a multiclass or ordinal task the class
            name, for a multilabel one 0 or 1 for each label, for a regression its numbers.

        Raises:
            UserError: everything that is not an image, or cannot be decoded, or is wrong with `tta`.
        """
        views = self.parse_tta(tta, flip=flip)
        collection = collect_images(images)
        # A few images are not padded to a whole batch, which would take the time of one.
        scores = self._scores(collection, views, min(self.batch_size, max(len(collection), 1)))
        return answers.table(collection.ids, scores, self.tasks, self.thresholds, probabilities=probabilities)

    def logits(self, split: datasets.Dataset, *, mirrored: bool = False, name: str = "images") -> Tensor:
        """Compute the logits, float32 [N, outputs], of a split with the columns `id` and `image`, in its order.

        Args:
            mirrored: whether left and right of the images are exchanged.
            name: name of the split, for messages.

        Raises:
            UserError: images that cannot be decoded.
        """
        return self._logits(images_of_split(split, name), self.description.pipeline, (mirrored,), self.batch_size)

    def mean_logits(self, split: datasets.Dataset, *, tta: Given = None, name: str = "images") -> Tensor:
        """Compute logits, [N, outputs], whose probabilities are the mean over the views of each image.

        Without views they are those of `logits`. On the arguments and errors see `probabilities`.
        """
        views = self.parse_tta(tta)
        if views.num_views == 1:
            return self.logits(split, name=name)
        collection = images_of_split(split, name)
        flat = self._logits(collection, self._pipeline(views), views.mirrored, self.batch_size)
        return mean_logits(flat, self.tasks, views.num_views)

    def probabilities(
        self, split: datasets.Dataset, *, flip: bool = False, tta: Given = None, name: str = "images"
    ) -> dict[str, np.ndarray]:
        """Compute each task's probabilities, float64 [N, C]; a regression has its values.

        Args:
            flip: whether to take the mean of each image's probabilities and those of its mirror image.
            tta: the views of which the mean is taken, as in `predict`.

        Raises:
            UserError: images that cannot be decoded, and what is wrong with `tta`.
        """
        return self._scores(images_of_split(split, name), self.parse_tta(tta, flip=flip), self.batch_size)

    def parse_tta(self, tta: Given, *, flip: bool = False) -> TTA:
        """Read a list of views.

        Raises:
            UserError: what is wrong with it, or that this model's pictures have nothing to crop.
        """
        views = parse(tta, flip=flip)
        self._pipeline(views)
        return views

    def _pipeline(self, views: TTA) -> ImagePipeline:
        pipeline = self.description.pipeline
        if not views.scales and not views.has_crops:
            return pipeline
        return pipeline.with_views(views.scales, has_crops=views.has_crops)

    def _scores(self, collection: ImageCollection, views: TTA, batch_size: int) -> dict[str, np.ndarray]:
        flat = self._logits(collection, self._pipeline(views), views.mirrored, batch_size).double()
        parts = [split_logits(part, self.tasks) for part in flat.chunk(views.num_views, dim=1)]
        return {
            task: np.mean([self.tasks[task].probabilities(part[task].numpy()) for part in parts], axis=0)
            for task in self.tasks
        }

    def _logits(
        self, collection: ImageCollection, pipeline: ImagePipeline, mirrored: Sequence[bool], batch_size: int
    ) -> Tensor:
        """Compute the logits of every pass, float32 [N, passes x outputs], on every process."""
        if not len(collection):
            num_outputs = sum(task.num_outputs for task in self.tasks.values())
            return torch.empty(0, pipeline.num_passes * len(mirrored) * num_outputs)
        accelerator = self.accelerator
        rank, processes = (0, 1) if accelerator is None else (accelerator.process_index, accelerator.num_processes)
        batches = ImageBatches(collection, pipeline)
        loader = EvaluationLoader(batches, batch_size, rank, processes, self.num_workers, self.device)
        problems: list[str] = []
        shown = counted(loader.batches(), collection.name, len(loader), "batches", hidden=rank != 0)
        with _training_precision(self.device):
            predictions = predict_logits(
                self.model,
                readable_batches(shown, problems),
                pipeline,
                self.tasks,
                self.device,
                self.description.precision,
                mirrored,
            )
        # One process alone must not fail: the others would wait for it.
        problems = problems if accelerator is None else gather_object(problems)
        if problems:
            raise UserError(shorten(list(dict.fromkeys(problems)), "pictures"))
        ids, logits = predictions.gather(accelerator)
        assert torch.equal(ids, torch.arange(len(collection))), "a picture was lost or duplicated"
        return logits


def print_notes(notes: Sequence[str]) -> None:
    """Print what was inferred while data were read. Not where results are printed, which other programs may read."""
    for note in notes:
        tqdm.write(note, file=sys.stderr)


def require_finite(run: str | Path, split: str, *values: Tensor | np.ndarray) -> None:
    """Check the outputs of a run's model on a split.

    Raises:
        UserError: any of them is NaN or infinite.
    """
    if not all(bool(torch.isfinite(torch.as_tensor(value)).all()) for value in values):
        raise UserError(f"{run}: the model's outputs on {split} are not finite; its weights are damaged")


@contextmanager
def _training_precision(device: torch.device) -> Iterator[None]:
    """Use, on a GPU, the precision of products and the kernels that a run trains with, within the block."""
    if device.type != "cuda":
        yield
        return
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic
    configure_cuda()
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = before


def load(
    path: str | Path,
    device: torch.device | str | None = None,
    *,
    revision: str | None = None,
    batch_size: int | None = None,
    num_workers: int = 0,
    accelerator: Accelerator | None = None,
) -> Predictor:
    """Load the predictor of a run folder, of the `model/` in it, or of a model on the Hugging Face Hub (owner/name).

    Args:
        device: None: the accelerator of this machine, or else the CPU.
        revision: commit, tag or branch of a model on the Hub.

    Raises:
        UserError: there is no finished model, or it is damaged, or the Hub was not reached.
    """
    folder = model_folder.find_model_folder(path, revision)
    description = model_folder.read_description(folder)
    model = model_folder.load_model(folder, description)
    if device is None:
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        device = found or torch.device("cpu")
    return Predictor(
        model, description, device, batch_size=batch_size, num_workers=num_workers, accelerator=accelerator
    )
