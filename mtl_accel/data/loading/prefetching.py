"""Batches on the device, each copied while the one before it computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import torch


class Movable(Protocol):
    """What can be copied to a device without waiting."""

    def to(self: MovableT, device: torch.device) -> MovableT: ...

    def tensors(self) -> list[torch.Tensor]: ...


MovableT = TypeVar("MovableT", bound=Movable)


def prefetch(batches: Iterator[MovableT], device: torch.device) -> Iterator[MovableT]:
    """The batches on the device, in order. On a GPU one is always on its way, from pinned memory."""
    if device.type != "cuda":
        for batch in batches:
            yield batch.to(device)
        return
    stream = torch.cuda.Stream(device)
    waiting: tuple[MovableT, torch.cuda.Event] | None = None
    for batch in batches:
        coming = _start_copy(batch, device, stream)
        if waiting is not None:
            yield _arrived(*waiting)
        waiting = coming
    if waiting is not None:
        yield _arrived(*waiting)


def _start_copy(batch: MovableT, device: torch.device, stream: torch.cuda.Stream) -> tuple[MovableT, torch.cuda.Event]:
    # Pictures that are on the device already were put together on the stream that computes.
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        moved = batch.to(device)
    return moved, stream.record_event()


def _arrived(batch: MovableT, copied: torch.cuda.Event) -> MovableT:
    computing = torch.cuda.current_stream()
    computing.wait_event(copied)  # the device waits there, not the host
    for tensor in batch.tensors():
        tensor.record_stream(computing)  # or its memory could be taken for the next copy while this one reads it
    return batch
