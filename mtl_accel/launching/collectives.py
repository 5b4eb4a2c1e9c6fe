"""Small values that all processes share, without a wait for the device in any step."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor


class DelayedRead:
    """Returns each step's values one step later, when the device has computed them anyway."""

    def __init__(self) -> None:
        self._waiting: tuple[Tensor, torch.cuda.Event | None] | None = None

    def exchange(self, values: Tensor) -> list[float]:
        """Store this step's values and return those of the step before; an empty list at the first step."""
        previous = self._waiting
        event = None
        if values.is_cuda:
            values = values.to("cpu", non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self._waiting = values, event
        if previous is None:
            return []
        if previous[1] is not None:
            previous[1].synchronize()
        return previous[0].tolist()


def any_process(accelerator: Accelerator, here: bool) -> bool:
    """Whether `here` is true on any process. Waits for all of them."""
    flag = torch.tensor([float(here)], device=accelerator.device)
    return bool(accelerator.reduce(flag, reduction="sum").item())


def from_main_process(here: float) -> float:
    """The number that the main process gives, to the bit. Waits for all processes."""
    return float(broadcast_object_list([here])[0])
