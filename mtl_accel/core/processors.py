"""The processors of this machine."""

from __future__ import annotations

import os


def num_cores() -> int:
    """Number of processors that this process may use."""
    # macOS tells only how many there are.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
