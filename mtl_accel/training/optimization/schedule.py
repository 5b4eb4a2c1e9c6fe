"""Schedules of the learning rate, by torch's own names, with a linear warm-up."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.optim import lr_scheduler

from ...config.sections.schedules import Scheduler
from .torch_schedulers import Length, build_scheduler, load_scheduler_state, scheduler_state, steps_every_step


class Schedule:
    """Learning rate over the run: torch's scheduler times a linear warm-up by steps.

    Accelerate does not wrap it, since it would step it once a process. The schedule sets the rate of the first group of
    parameters; the rates of all others keep their ratio to it.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        config: Scheduler | None,
        epochs: int,
        steps_per_epoch: int,
        warmup_epochs: float = 0.0,
        *,
        lower_is_better: bool = False,
    ) -> None:
        """Make the schedule of a run.

        Args:
            lower_is_better: of the metric that select_by names, for ReduceLROnPlateau.
        """
        self.optimizer, self._lower_is_better = optimizer, lower_is_better
        self._ratios = [group["lr"] / optimizer.param_groups[0]["lr"] for group in optimizer.param_groups]
        self._every_step: list[lr_scheduler.LRScheduler] = []
        self._every_epoch: list[lr_scheduler.LRScheduler] = []
        self._plateau: list[lr_scheduler.ReduceLROnPlateau] = []
        self.scores: list[float | None] = []  # of the epochs so far, where the schedule depends on them
        if config is not None:
            length = Length(epochs, steps_per_epoch)
            scheduler = build_scheduler(optimizer, config, length, lower_is_better=lower_is_better)
            if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
                self._plateau.append(scheduler)
            else:
                (self._every_step if steps_every_step(config) else self._every_epoch).append(scheduler)
        self._warmup_steps = round(warmup_epochs * steps_per_epoch)
        self._warmup: list[lr_scheduler.LRScheduler] = []
        if self._warmup_steps:
            first = 1 / (self._warmup_steps + 1)
            self._warmup.append(lr_scheduler.LinearLR(optimizer, first, total_iters=self._warmup_steps))
        self._keep_ratios()

    @property
    def lr(self) -> float:
        """Learning rate of the heads in the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    @property
    def parts(self) -> list[lr_scheduler.LRScheduler]:
        return [*self._plateau, *self._every_epoch, *self._every_step, *self._warmup]

    @property
    def needs_scores(self) -> bool:
        """Whether the rate depends on the value of select_by, which each process must know then."""
        return bool(self._plateau)

    @property
    def _warmup_factor(self) -> float:
        """Factor of the warm-up on the rate of the next step; 1 once it is over."""
        if not self._warmup:
            return 1.0
        return min(self._warmup[-1].last_epoch + 1, self._warmup_steps + 1) / (self._warmup_steps + 1)

    def _scale(self, factor: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] *= factor

    def _keep_ratios(self) -> None:
        first, *others = self.optimizer.param_groups
        for group, ratio in zip(others, self._ratios[1:], strict=True):
            group["lr"] = first["lr"] * ratio

    def set_lr(self, rate: float) -> None:
        """Set the learning rate of the heads, and all others in their ratio to it."""
        self.optimizer.param_groups[0]["lr"] = rate
        self._keep_ratios()

    def after_step(self) -> None:
        self._step(self._every_step)
        for warmup in self._warmup:
            warmup.step()
        self._keep_ratios()

    def after_epoch(self, score: float | None = None) -> None:
        """Set the rate of the next epoch.

        Args:
            score: value of select_by, higher is better; None: not known, and then ReduceLROnPlateau waits.
        """
        self._step(self._every_epoch)
        for plateau in self._plateau:
            if score is not None:
                with self._without_warmup():
                    plateau.step(-score if self._lower_is_better else score)
            self.scores.append(score)
        self._keep_ratios()

    def _step(self, schedulers: Sequence[lr_scheduler.LRScheduler]) -> None:
        for scheduler in schedulers:
            with self._without_warmup():
                scheduler.step()

    @contextmanager
    def _without_warmup(self) -> Iterator[None]:
        """Let torch's schedulers see the rate without the warm-up within the block.

        They compute the next rate from the present one, and the warm-up must not scale the cosine's floor.
        """
        factor = self._warmup_factor
        self._scale(1 / factor)
        yield
        self._scale(factor)

    def replay(self, epochs: int, steps: int, steps_per_epoch: int, scores: Sequence[float | None] = ()) -> None:
        """Step from the start to the rate after so many epochs, and steps of the next one.

        Args:
            scores: of the first of these epochs, as far as they are known.
        """
        with warnings.catch_warnings():
            # The optimizer has stepped, though not in this process.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
            for _, score in itertools.zip_longest(range(epochs), scores[:epochs]):
                for _ in range(steps_per_epoch):
                    self.after_step()
                self.after_epoch(score)
            for _ in range(steps):
                self.after_step()

    def forget_best(self) -> None:
        """Let the next score count as the first: those before are of another metric."""
        for plateau in self._plateau:
            plateau.best, plateau.num_bad_epochs = plateau.mode_worse, 0

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, fit for JSON."""
        state: dict[str, Any] = {"parts": [scheduler_state(part) for part in self.parts]}
        return state | {"scores": [*map(_to_json, self.scores)]} if self.needs_scores else state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for part, values in zip(self.parts, state["parts"], strict=True):
            load_scheduler_state(part, values)
        self.scores = scores_of(state)


def scores_of(state: Mapping[str, Any]) -> list[float | None]:
    """The scores in what `Schedule.state_dict` returned; none where the schedule did not depend on them."""
    return [None if score is None else float(score) for score in state.get("scores", [])]


def _to_json(score: float | None) -> float | str | None:
    """A score as JSON, which has no numbers that are not finite."""
    return score if score is None or math.isfinite(score) else str(score)
