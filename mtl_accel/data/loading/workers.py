"""Batches from the loader's worker processes: through shared memory where there is enough of it, and else by value.

torch passes a tensor of a worker in a file of /dev/shm, whose descriptor stays open until the batch is used. Containers
often have 64 MB there, and a worker that writes beyond is killed by SIGBUS; a limit of open files ends it likewise.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

from torch.utils.data import DataLoader

from ...core.errors import UserError
from ...core.lazy import import_of_system

logger = logging.getLogger(__name__)

_SHARED_MEMORY = Path("/dev/shm")  # where torch and the semaphores of Python put their files
_BATCHES_AHEAD = 2 + 1  # of each worker: torch's prefetch_factor, and the one that is being written
_MARGIN = 2  # times what is needed, for the loaders of other processes and splits
_MIN_SHARED_BYTES = 1_000_000  # of semaphores and queues, which lie there, too
_OTHER_FILES = 128  # descriptors of the process itself, its log, libraries and sockets
_KILLED = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)(?: is killed by signal: ([^.]*)| exited)")
_NO_FILES = re.compile("Too many open files|ancdata")
_NO_MEMORY = re.compile("shared memory|No space left|bus error", re.IGNORECASE)
resource = import_of_system("resource")  # None on Windows, which has no such limit
T = TypeVar("T")


Way = Literal["shared", "pipes", "none"]


def choose_way(num_workers: int, batch_bytes: int, batch_tensors: int) -> Way:
    """Choose how the workers send their batches: through shared memory, through pipes, or "none": without workers.

    Where it is not shared memory, one line in the log says why.
    """
    ahead = num_workers * _BATCHES_AHEAD * _MARGIN
    need_bytes, need_files = ahead * batch_bytes + _MIN_SHARED_BYTES, ahead * batch_tensors + _OTHER_FILES
    free, limit = _free_shared_memory(), _raise_file_limit(need_files)
    if free is not None and free < _MIN_SHARED_BYTES:
        logger.warning("data.num_workers: %s has %d bytes free, too few for any loader worker", _SHARED_MEMORY, free)
        return "none"
    reasons = []
    if free is not None and free < need_bytes:
        reasons.append(f"{_SHARED_MEMORY} has {free / 1e6:.1f} MB free of the {need_bytes / 1e6:.1f} MB")
    if limit < need_files:
        reasons.append(f"{limit} open files are allowed (ulimit -n) of the {need_files}")
    if reasons:
        message = "data.num_workers: batches go through pipes, which is slower: %s that shared memory would take"
        logger.warning(message, " and ".join(reasons))
    return "pipes" if reasons else "shared"


def _free_shared_memory() -> int | None:
    """Bytes; None where there is no such folder, as on other systems than Linux."""
    try:
        return shutil.disk_usage(_SHARED_MEMORY).free
    except OSError:
        return None


def _raise_file_limit(need: int) -> int:
    """Raise this process's own limit of open files as far as it may be and is needed; returns what holds."""
    if resource is None:
        return need
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY in (soft, hard) or soft >= need or soft == hard:
        return need if soft == resource.RLIM_INFINITY else soft
    soft = min(need, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def iterate(loader: DataLoader[T]) -> Iterator[T]:
    """Iterate over a loader's batches.

    Raises:
        UserError: a worker process was killed, or the limit of open files or the shared memory is used up.
    """
    batches = None
    while True:
        try:
            batches = iter(loader) if batches is None else batches
            batch = next(batches)
        except StopIteration:
            return
        except (RuntimeError, OSError) as error:
            if (problem := _describe(error)) is None:
                raise
            raise UserError(problem) from error
        yield batch


def _describe(error: BaseException) -> str | None:
    """What a user can do about an error that comes from the workers; None of any other error."""
    text = str(error)
    if _NO_FILES.search(text):
        return (
            "data.num_workers: no more files can be opened; allow more (ulimit -n 4096), or set it lower, to 0 at last"
        )
    if killed := _KILLED.search(text):
        how = f"was ended by signal {killed[2]}" if killed[2] else "was ended"
        return (
            f"data.num_workers: a worker process of the loader (pid {killed[1].strip()}) {how}, most likely by the "
            "system, because memory ran out (`dmesg` says so). Set data.num_workers or batch_size lower, or "
            'data.cache to "disk", which decodes each picture once; then start again, and the run resumes'
        )
    if _NO_MEMORY.search(text):
        return f"data.num_workers: {_SHARED_MEMORY} is full; make it larger (docker run --shm-size=1g), or set it to 0"
    return None
