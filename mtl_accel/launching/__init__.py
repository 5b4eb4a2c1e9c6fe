"""How processes start: by whom, with which precision, what all agree on, and signals.

The launcher loads torch, so its name is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_dir, lazy_getattr

if TYPE_CHECKING:
    from .launcher import run_processes

_HOMES = {"run_processes": "launcher"}
__all__ = ["run_processes"]

__getattr__ = lazy_getattr(__name__, _HOMES)
__dir__ = lazy_dir(globals(), _HOMES)
