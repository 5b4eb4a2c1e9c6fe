"""Our own loop, on a run as `training.build` makes it: an epoch of training, then validation, with all metrics."""

from __future__ import annotations

from torch import Tensor

from ...inference.logits import Predictions
from ...inference.scoring import score
from ...launching.interrupts import Interrupts
from ...training import engine
from ...training.checkpointing import Checkpoints
from ...training.run import Run
from ..clock import seconds_of


class Loop:
    """Each call is one epoch of `engine.train`, but for its log and its checkpoint."""

    def __init__(self, run: Run, checkpoints: Checkpoints) -> None:
        self.run, self.checkpoints, self.device = run, checkpoints, run.accelerator.device
        self.interrupts = Interrupts(environment={})
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
        seen = run.train_loader.order.targets_of(run.progress.epoch, ids.numpy(), run.train_targets)
        score(logits, run.tasks, run.losses, seen)

    def _predict(self) -> None:
        self._logits = engine.predict(self.run, self.run.validation_loader)

    def _score_validation(self) -> None:
        score(self._logits, self.run.tasks, self.run.losses, self.run.validation_targets)
