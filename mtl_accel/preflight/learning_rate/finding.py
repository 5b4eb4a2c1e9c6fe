"""Outcome of a range test: losses by learning rate, the rates that they suggest, and what is written of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core import atomic_io
from ...runs.log import without_nan

_MOMENTUM = 0.9  # of the smoothed loss; with more of it, the loss would fall several times later than in truth
_DIVERGED = 4.0  # times the lowest smoothed loss
_SKIPPED_SHARE = 0.1  # of the steps at the start, where the smoothed loss stands on a few batches
_MIN_STEPS = 3  # from which a slope can be told


@dataclass(frozen=True)
class LRFinding:
    """Outcome of a range test.

    rates: learning rate of the heads in each step, ascending.
    losses: loss of each task in each step, before the step was made; NaN and infinite where training diverged.
    total: their sum with the config's weights; smoothed: its exponential moving average.
    suggestion: rate at which the smoothed loss falls fastest; None where it never falls.
    tenth_of_minimum: a tenth of the rate with the lowest smoothed loss, which is the other usual choice.
    diverged: whether the test ended because the loss rose to four times its minimum, or was no longer finite.
    has_one_cycle: whether the config's schedule is OneCycleLR, whose highest rate is then that of the optimizer.
    picture, record: the PNG and the JSON that were written; None on all processes but the main one.
    """

    rates: list[float]
    losses: dict[str, list[float]]
    total: list[float]
    smoothed: list[float]
    suggestion: float | None
    tenth_of_minimum: float | None
    diverged: bool
    has_one_cycle: bool = False
    picture: Path | None = None
    record: Path | None = None

    @property
    def argument(self) -> str | None:
        """What to add to the command line, such as "--optimizer.lr 3.2e-4"; None without a suggestion."""
        if self.suggestion is None:
            return None
        # A config file that gives max_lr would contradict the optimizer's rate.
        return f"--optimizer.lr {format_rate(self.suggestion)}" + " --scheduler.max_lr null" * self.has_one_cycle

    def summary(self) -> str:
        """Describe the outcome, for the console."""
        first, last = (format_rate(rate) for rate in (self.rates[0], self.rates[-1]))
        end = "where the loss diverged" if self.diverged else "and the loss did not diverge"
        lines = [f"{len(self.rates)} steps with learning rates from {first} to {last}, {end}"]
        if self.picture is not None:
            lines.append(f"picture: {self.picture}, numbers: {self.record}")
        if self.argument is None or self.tenth_of_minimum is None:
            return "\n".join([*lines, "no suggestion: the loss fell at none of them; try a lower --min_lr"])
        tenth = format_rate(self.tenth_of_minimum)
        return "\n".join([*lines, f"the loss falls fastest at: {self.argument}", f"a tenth of its minimum's: {tenth}"])

    def write(self, path: Path) -> None:
        """Write the numbers as JSON; what is not finite becomes null."""
        names = ("rates", "losses", "total", "smoothed", "suggestion", "tenth_of_minimum", "diverged")
        atomic_io.write_json(path, without_nan({name: getattr(self, name) for name in names}))


def format_rate(rate: float) -> str:
    """Format a rate with two digits, such as "3.2e-4"."""
    mantissa, exponent = f"{rate:.1e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def smooth(losses: Sequence[float]) -> list[float]:
    """Exponential moving average of losses, without the bias towards 0 of its start."""
    average, found = 0.0, []
    for number, loss in enumerate(losses, 1):
        average = _MOMENTUM * average + (1 - _MOMENTUM) * loss
        found.append(average / (1 - _MOMENTUM**number))
    return found


def has_diverged(smoothed: Sequence[float]) -> bool:
    """Whether the last smoothed loss is so high, or not finite, that no later one says anything."""
    return not math.isfinite(smoothed[-1]) or smoothed[-1] > _DIVERGED * min(smoothed)


def suggest(rates: Sequence[float], smoothed: Sequence[float]) -> tuple[float | None, float | None]:
    """Find the rate at which the smoothed loss falls fastest, and a tenth of that of its minimum; None: it never falls.

    The slope is that over the logarithm of the rate (Smith, 2017; the steepest point as in fastai's `steep`).
    """
    start = int(_SKIPPED_SHARE * len(rates))
    values = np.array(smoothed[start:])
    values = values[np.isfinite(values)]
    if len(values) < _MIN_STEPS:
        return None, None
    lowest = int(values.argmin())
    if lowest == 0:
        return None, None
    slopes = np.gradient(values, np.log(rates[start : start + len(values)]))[: lowest + 1]
    return float(rates[start + int(slopes.argmin())]), float(rates[start + lowest]) / 10
