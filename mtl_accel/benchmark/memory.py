"""Memory of this process, as the system counts it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")


def memory_mb(device: torch.device) -> dict[str, float | None]:
    """In megabytes: the host's peak, what of it is this process's own now, and the device's peak.

    Pages of a memory-mapped cache count for the peak while they are in memory, but the system takes them back
    when it needs them; they are no part of `own`. Loader workers are not counted.
    """
    peak, own = _linux() if _STATUS.exists() else (_by_usage(), None)
    on_device = torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else None
    return {"peak_host_memory_mb": peak, "own_host_memory_mb": own, "peak_device_memory_mb": on_device}


def _linux() -> tuple[float, float]:
    """Not from getrusage: its peak is inherited from the process that started this one."""
    fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    peak, own = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "RssAnon"))
    return peak, own


def _by_usage() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, kibibytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
