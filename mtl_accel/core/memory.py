"""The memory of this machine, and what this process has taken of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from .lazy import import_of_system

resource = import_of_system("resource")  # None on Windows

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
# Names of the limit and of what is taken, in version 2 of Linux's control groups and in version 1.
_FILES = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
_CACHE_LINES = ("inactive_file", "total_inactive_file")  # of memory.stat: pages of files, which give way


def peak_bytes() -> int:
    """The most memory that this process has held at once; on Windows that of its working set."""
    if resource is not None:
        unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, kibibytes elsewhere
        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    taken = psutil.Process().memory_info()
    return int(getattr(taken, "peak_wset", taken.rss))


def total_bytes() -> int:
    """Memory of the machine, or of the container, where that is less."""
    return min([psutil.virtual_memory().total, *(limit for limit, _ in _container_limits())])


def available_bytes() -> int:
    """Memory that this process could still take: of the machine, of its container and of its own limit (ulimit -v)."""
    free = [psutil.virtual_memory().available, *(max(limit - taken, 0) for limit, taken in _container_limits())]
    if resource is not None:
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            free.append(max(soft - psutil.Process().memory_info().vms, 0))
    return min(free)


def _container_limits() -> Iterator[tuple[int, int]]:
    """Limit and taken bytes of this process's control group and of those above it, on Linux."""
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        # Inside a container the path may be that of the host; the root of what is mounted is then its own group.
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        own = Path(path.lstrip("/"))
        for folder in dict.fromkeys(root / part for part in (own, *own.parents)):
            for limit_name, taken_name in _FILES:
                try:
                    limit, taken = (int((folder / name).read_text()) for name in (limit_name, taken_name))
                    yield limit, max(taken - _cache_bytes(folder), 0)
                except (OSError, ValueError):  # noqa: PERF203 (no such file, or "max": no limit)
                    continue


def _cache_bytes(folder: Path) -> int:
    values = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return next((int(values[name]) for name in reversed(_CACHE_LINES) if name in values), 0)
