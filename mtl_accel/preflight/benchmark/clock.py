"""Seconds of contestants that take turns, with the device's work inside them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pandas as pd
import torch

Contestant = Callable[[], dict[str, float]]  # does its work once; seconds of each part of it


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


def measure_in_turn(contestants: Mapping[str, Contestant], rounds: int) -> pd.DataFrame:
    """Seconds in a row for each round and a column "contestant/part" for each part.

    They work A B A B ..., so that a machine that becomes slower slows all of them.
    """
    return pd.DataFrame(
        [
            {f"{name}/{part}": seconds for name, work in contestants.items() for part, seconds in work().items()}
            for _ in range(rounds)
        ]
    )
