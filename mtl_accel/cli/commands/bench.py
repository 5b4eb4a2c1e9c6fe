"""Measure how fast a config trains here: mtl-accel bench --config v5 [--KEY VALUE ...]

It prints one table, and the same figures as one JSON object on the last line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import mtl_accel

from ...preflight.benchmark.settings import SWITCHES as SETTINGS
from ...preflight.benchmark.table import format_table
from ..console import run_script

SWITCHES = {"config": "JSON file of the run.", **SETTINGS}


def _bench(config: mtl_accel.Config, options: dict[str, Any]) -> int:
    row = mtl_accel.measure(config, **options)
    print(format_table(row))
    print(json.dumps(row, allow_nan=False), flush=True)
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel bench", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    return run_script(program, description or "", SWITCHES, _bench, arguments)
