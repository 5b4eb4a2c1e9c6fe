"""Runs side by side: one page, tables and data frames, for launch/report.py and `mtl_accel.compare`."""

from .frames import compare, summary
from .page import write_report

__all__ = ["compare", "summary", "write_report"]
