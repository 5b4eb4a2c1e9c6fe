"""Our loop on a run as `train` builds it, and its two limits on the same run: the model alone and the data alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from ....data.loading.batch import Batch
from ....data.loading.loader import TrainingLoader
from ....data.transforms.mixing import mixed
from ....inference.logits import Predictions
from ....inference.scoring import score
from ....launching.interrupts import Interrupts
from ....objective.objective import Output
from ....training import engine
from ....training.checkpointing import Checkpoints
from ....training.run import Run
from ..clock import seconds_of

_NUM_KEPT = 4  # steps held in memory, and run through again and again


class Loop:
    """Our loop: each call is one epoch of `engine.train`, but for its log and its checkpoint."""

    def __init__(self, run: Run) -> None:
        self.run, self.device = run, run.accelerator.device
        self.checkpoints, self.interrupts = Checkpoints(run.config, fingerprint=""), Interrupts(environment={})
        self._logits: Tensor

    def __call__(self) -> dict[str, float]:
        """Seconds of `train_epoch`, of the metrics of its samples, of the pass over validation, of its metrics."""
        parts = {
            "train": self._train,
            "train_metrics": self._score_training,
            "predict": self._predict,
            "metrics": self._score_validation,
        }
        seconds = {name: seconds_of(work, self.device) for name, work in parts.items()}
        progress = self.run.progress
        progress.epoch, progress.step, progress.seconds = progress.epoch + 1, 0, 0.0
        self.run.schedule.after_epoch()
        return seconds

    def _train(self) -> None:
        finished = engine.train_epoch(self.run, self.checkpoints, self.interrupts)
        assert finished, "nothing asks this loop to stop"

    def _score_training(self) -> None:
        run = self.run
        ids, logits = run.predictions.gather(run.accelerator)
        run.predictions = Predictions()
        targets = run.train_loader.order.targets_of(run.progress.epoch, ids.numpy(), run.train_targets)
        score(logits, run.tasks, run.losses, targets)

    def _predict(self) -> None:
        self._logits = engine.predict(self.run, self.run.validation_loader)

    def _score_validation(self) -> None:
        score(self._logits, self.run.tasks, self.run.losses, self.run.validation_targets)


class DataAlone:
    """Batches read, moved to the device and augmented there, without a model; each call is one epoch of a loader."""

    def __init__(self, run: Run, loader: TrainingLoader) -> None:
        self.run, self.loader = run, loader
        self._epochs = itertools.count()

    def __call__(self) -> dict[str, float]:
        return {"train": seconds_of(self._epoch, self.run.accelerator.device)}

    def _epoch(self) -> None:
        epoch = next(self._epochs)
        for _, batches, _ in self.loader.steps(epoch):
            for batch in batches:
                _augmented(self.run, batch, epoch)


@dataclass
class _Step:
    micro_batches: list[tuple[Tensor, Batch]]  # augmented images [B, 3, h, w], and their labels
    counts: Tensor  # [T]


class Limit:
    """The model alone: forward, loss, backward, optimizer step and zero_grad of a run's own objects, and nothing else.

    Its tensors lie on the device already.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.device = run, run.accelerator.device
        self.num_steps = run.train_loader.order.num_steps
        steps = itertools.islice(run.train_loader.steps(0), _NUM_KEPT)
        self._kept = [self._in_memory(batches, counts) for _, batches, counts in steps]

    def _in_memory(self, batches: list[Batch], counts: dict[str, float]) -> _Step:
        numbers = [counts[name] for name in self.run.tasks]
        return _Step(
            [(_augmented(self.run, batch, 0), batch) for batch in batches],
            torch.tensor(numbers, dtype=torch.float32, device=self.device),
        )

    def __call__(self) -> dict[str, float]:
        return {"train": self.seconds(self.num_steps)}

    def seconds(self, num_steps: int) -> float:
        self.run.objective.train()
        return seconds_of(lambda: self._train(num_steps), self.device)

    def _train(self, num_steps: int) -> None:
        run = self.run
        for step in itertools.islice(itertools.cycle(self._kept), num_steps):
            run.balancer.begin_step(0, 1)
            run.backward.begin_step(0, 1)
            if run.backward.measures_first:
                for micro_batch in step.micro_batches:
                    run.backward.measure(self._forward(step, *micro_batch))
            for index, micro_batch in enumerate(step.micro_batches):
                run.backward.micro_batch(index, self._forward(step, *micro_batch))
            run.backward.finish()
            run.optimizer.step()
            run.optimizer.zero_grad(set_to_none=True)

    def _forward(self, step: _Step, images: Tensor, batch: Batch) -> Output:
        return self.run.objective(images, batch.targets, batch.masks, step.counts, batch.mix)


def _augmented(run: Run, batch: Batch, epoch: int) -> Tensor:
    """Images of a micro-batch as the model gets them: [B, 3, h, w]."""
    return mixed(run.pipelines.train.batched(batch.images, batch.key.augmentation_ids, epoch, run.dtype), batch.mix)
