"""The data alone: batches read, moved and augmented on the device, without a model."""

from __future__ import annotations

import itertools

from ...data.loading.loader import TrainingLoader
from ...data.transforms.mixing import mixed
from ...training.run import Run
from ..clock import seconds_of


class Pipeline:
    """Each call is one epoch of a loader, with the transforms of a run."""

    def __init__(self, run: Run, loader: TrainingLoader) -> None:
        self.loader, self.device, self.dtype = loader, run.accelerator.device, run.dtype
        self.transforms = run.pipelines.train.batched
        self._epochs = itertools.count()

    def __call__(self) -> dict[str, float]:
        return {"train": seconds_of(self._epoch, self.device)}

    def _epoch(self) -> None:
        epoch = next(self._epochs)
        for _, batches, _ in self.loader.steps(epoch):
            for batch in batches:
                mixed(self.transforms(batch.images, batch.key.augmentation_ids, epoch, self.dtype), batch.mix)
