"""Copies batches to the device, the next one while the device computes on this one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import torch


class Movable(Protocol):
    """A batch that `prefetch` can copy to a device."""

    def to(self: MovableT, device: torch.device) -> MovableT:
        """Copy the tensors to a device, without waiting for it."""

    def tensors(self) -> list[torch.Tensor]:
        """All tensors of the batch."""


MovableT = TypeVar("MovableT", bound=Movable)


def prefetch(batches: Iterator[MovableT], device: torch.device) -> Iterator[MovableT]:
    """Yield the batches on the device, in order. On a GPU the next one is copied meanwhile, from pinned memory."""
    if device.type != "cuda":
        for batch in batches:
            yield batch.to(device)
        return
    stream = torch.cuda.Stream(device)
    previous: tuple[MovableT, torch.cuda.Event] | None = None
    for batch in batches:
        current = _start_copy(batch, device, stream)
        if previous is not None:
            yield _wait_for_copy(*previous)
        previous = current
    if previous is not None:
        yield _wait_for_copy(*previous)


def _start_copy(batch: MovableT, device: torch.device, stream: torch.cuda.Stream) -> tuple[MovableT, torch.cuda.Event]:
    # The compute stream has gathered the images that are on the device already.
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        moved = batch.to(device)
    return moved, stream.record_event()


def _wait_for_copy(batch: MovableT, copied: torch.cuda.Event) -> MovableT:
    compute_stream = torch.cuda.current_stream()
    compute_stream.wait_event(copied)  # the device waits, not the host
    for tensor in batch.tensors():
        # Or the allocator could give its memory to the next copy while this batch is still computed on.
        tensor.record_stream(compute_stream)
    return batch
