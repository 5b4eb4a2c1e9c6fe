"""Runs side by side: one page, tables and data frames, for launch/report.py and `mtl_accel.compare`."""

from .page import write_report
from .records.frames import compare, summary

__all__ = ["compare", "summary", "write_report"]
