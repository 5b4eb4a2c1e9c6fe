"""Look a data set over before training: python launch/doctor.py --config configs/v5.json [--data.source my_photos]

It trains nothing. Exit code 0: nothing is wrong; 1: warnings; 2: errors that keep a run from starting.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mtl_accel
from mtl_accel.config import parse_overrides, read_config
from mtl_accel.core.control_characters import one_line
from mtl_accel.diagnosis.findings import Severity
from mtl_accel.launching.console import run_command


def main(options: argparse.Namespace, rest: list[str]) -> int:
    config = read_config(options.config, parse_overrides(rest))
    diagnosis = mtl_accel.diagnose(config, output=options.output)
    for severity in (Severity.ERROR, Severity.WARNING):
        for finding in diagnosis.of(severity):
            print(one_line(f"{severity.title}: {finding.title}"), flush=True)
    print(f"diagnosis: {options.output}")
    return diagnosis.exit_code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON config whose data and tasks are looked over")
    parser.add_argument(
        "--output", type=Path, default=Path("doctor.html"), help="page to write; .md and .json go beside it"
    )
    sys.exit(run_command(parser, main))
