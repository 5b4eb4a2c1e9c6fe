"""Times of competitors, taken in turn, with the device's work inside them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

Arm = Callable[[], dict[str, float]]  # does its work once; seconds of each part of it


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given; a CPU has."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    begin = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - begin


def interleave(arms: Mapping[str, Arm], rounds: int) -> dict[str, list[float]]:
    """Seconds of "arm/part" in each round. A B A B, so that a machine that slows down slows all of them."""
    measured: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, arm in arms.items():
            for part, seconds in arm().items():
                measured.setdefault(f"{name}/{part}", []).append(seconds)
    return measured


def together(measured: Mapping[str, list[float]], *parts: str) -> list[float]:
    """Seconds of several parts in each round."""
    return [sum(each) for each in zip(*(measured[part] for part in parts), strict=True)]


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """The median of the rounds' ratios: what a busy machine does to a whole round leaves no trace in it."""
    return statistics.median(above / below for above, below in zip(numerators, denominators, strict=True))
