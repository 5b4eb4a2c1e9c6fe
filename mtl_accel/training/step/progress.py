"""How far the steps of a run are: a bar on a terminal, one line every so many seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from ...core.progress import format_seconds, stage


class StepProgress:
    """Counts the steps of a run, and measures their speed on the host's clock: nothing here waits for the device.

    Args:
        num_epochs: of the whole run, with `num_steps` each.
        batch_size: samples of a step, over all processes.
        weights: of the tasks in the loss.
        hidden: whether another process shows it.
    """

    def __init__(
        self, num_epochs: int, num_steps: int, batch_size: int, weights: Sequence[float], *, hidden: bool
    ) -> None:
        self.num_epochs, self.num_steps, self.batch_size = num_epochs, num_steps, batch_size
        self.weights, self.hidden = weights, hidden
        self._run_begin: float | None = None
        self._steps_of_run = 0  # since it was started or resumed
        self._epoch, self._first_step, self._step, self._epoch_begin = 0, 0, 0, 0.0
        self._rated_step, self._rated_time = 0, 0.0
        self._figures = ""

    @contextmanager
    def of_epoch(self, epoch: int, step: int) -> Iterator[StepProgress]:
        """Show the steps of an epoch from `step` on; both count from 0."""
        now = time.monotonic()
        self._epoch, self._first_step, self._step, self._epoch_begin = epoch, step, step, now
        self._rated_step, self._rated_time = step, now
        self._run_begin = now if self._run_begin is None else self._run_begin
        # None: hidden where there is no terminal
        options = {"total": self.num_steps, "initial": step, "disable": self.hidden or None, "leave": False}
        with (
            stage(self.describe),
            tqdm(desc=f"epoch {epoch + 1}/{self.num_epochs}", **options) as self._bar,
        ):
            yield self

    def update(self, losses: Sequence[float], lr: float) -> None:
        """Count a step. losses [T]: of the last step whose losses the host knows; empty: of none yet."""
        self._step, self._steps_of_run = self._step + 1, self._steps_of_run + 1
        if losses:
            loss = sum(weight * loss for weight, loss in zip(self.weights, losses, strict=True))
            self._figures = f"loss {loss:.4f}, learning rate {lr:.3g}, "
            self._bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        self._bar.update()

    def images_per_second(self) -> float:
        """Speed since the last call, or since the epoch began. Call it where the host has waited for the device."""
        now, steps = time.monotonic(), self._step - self._rated_step
        seconds, self._rated_step, self._rated_time = now - self._rated_time, self._step, now
        return steps * self.batch_size / max(seconds, 1e-9)

    def describe(self) -> str:
        """Return the line: epoch, step, loss of the last step but one, learning rate, speed of the epoch, time left.

        The run's time counts what lies between its epochs, from its second one on.
        """
        now, here = time.monotonic(), self._step - self._first_step
        text = (
            f"epoch {self._epoch + 1} of {self.num_epochs}, step {self._step:,} of {self.num_steps:,}: {self._figures}"
        )
        if not here or self._run_begin is None:
            return f"{text}no step done yet, {format_seconds(now - self._epoch_begin)} since the epoch began"
        a_step = (now - self._epoch_begin) / here
        of_run = self.num_epochs * self.num_steps - self._epoch * self.num_steps - self._step
        left = (now - self._run_begin) / self._steps_of_run * of_run
        return (
            f"{text}{self.batch_size / a_step:.1f} images/s, {format_seconds(a_step * (self.num_steps - self._step))} "
            f"left in the epoch, {format_seconds(left)} in the run"
        )
