"""Measure how fast a config trains here: python launch/bench.py --config configs/v5.json [--KEY VALUE ...]

It prints one table, and the same figures as one JSON object on the last line.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import mtl_accel
from mtl_accel.launching.console import run_script
from mtl_accel.preflight.benchmark.settings import SWITCHES
from mtl_accel.preflight.benchmark.table import format_table


def main(config: mtl_accel.Config, options: dict[str, Any]) -> int:
    row = mtl_accel.measure(config, **options)
    print(format_table(row))
    print(json.dumps(row, allow_nan=False), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_script("bench.py", __doc__ or "", {"config": "JSON file of the run.", **SWITCHES}, main))
