"""Out of memory: what took it, and the next size to try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ...core.errors import UserError
from ...core.memory import peak_bytes, total_bytes

_GB = 1e9
_MESSAGES = ("DefaultCPUAllocator", "not enough memory", "bad_alloc")
_OF_ONEDNN = ("could not create a primitive", "could not create a memory object")  # it tells no cause


@contextmanager
def out_of_memory_errors(batch_size: int, micro_batch_size: int, device: torch.device) -> Iterator[None]:
    """Turn a lack of memory, of the device or of the machine, into a UserError.

    Args:
        micro_batch_size: samples of one forward pass.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        message = describe(batch_size, micro_batch_size, device)
        raise UserError(f"{message} ({' '.join(str(error).split())[:200] or type(error).__name__})") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is a lack of memory, of the device or of the machine."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return str(error) in _OF_ONEDNN or any(part in str(error) for part in _MESSAGES)


@contextmanager
def count_kept_bytes(parameters: Iterable[Tensor]) -> Iterator[dict[int, int]]:
    """Collect what the forward passes of the block keep for their backward passes, the parameters left out.

    Yields: bytes of each storage, by its address.
    """
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield storages


def describe(batch_size: int, micro_batch_size: int, device: torch.device) -> str:
    """Name the size of the forward pass, the peak and the next size to try."""
    peak, total = _peak_and_total(device)
    smaller = next((micro_batch_size // n for n in range(2, micro_batch_size + 1) if micro_batch_size % n == 0), None)
    fix = (
        f"give --micro_batch_size {smaller}: the gradient stays that of the whole batch"
        if smaller is not None
        else "one picture at a time is too much: choose smaller pictures (transforms) or a smaller model"
    )
    return (
        f"micro_batch_size: {device.type} is out of memory with {micro_batch_size} pictures in a forward pass, of a "
        f"batch_size of {batch_size}; the peak so far was {peak / _GB:.2f} of {total / _GB:.2f} GB; {fix}; or, if "
        "it is off, --model.gradient_checkpointing true: a longer step, and the same weights"
    )


def _peak_and_total(device: torch.device) -> tuple[float, float]:
    """Bytes: the most that this process has held, and what the device or the machine has."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), torch.cuda.get_device_properties(device).total_memory
    return peak_bytes(), total_bytes()
