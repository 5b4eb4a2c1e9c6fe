"""Runs side by side: one page, tables and data frames, for launch/report.py and `mtl_accel.compare`.

The page needs torch and pandas, and those who write only tables need neither, so its names are imported when used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.lazy import lazy_dir, lazy_getattr

if TYPE_CHECKING:
    from .page import write_report
    from .records.frames import compare, summary
    from .terminal import compare_text

_HOMES = {
    "compare": "records.frames",
    "compare_text": "terminal",
    "summary": "records.frames",
    "write_report": "page",
}
__all__ = ["compare", "compare_text", "summary", "write_report"]

__getattr__ = lazy_getattr(__name__, _HOMES)
__dir__ = lazy_dir(globals(), _HOMES)
