"""Score a run's model: mtl-accel evaluate --run runs/v5 --split validation [--data.source my_photos]

It prints every metric with its 95% interval, and writes the same and more to evaluation-SPLIT.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mtl_accel

from ...config import read_run_config
from ...core.control_characters import escape_control
from ...evaluation.table import format_table
from ..console import run_command
from ..processes import add_processes_option


def _evaluate(options: argparse.Namespace, rest: list[str]) -> int:
    config = read_run_config(options.run, rest)
    row = mtl_accel.evaluate(options.run, options.split, config=config, output=options.output, tta=options.tta)
    if row:  # on the main process
        print(escape_control(format_table(row)), flush=True)
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel evaluate", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    parser = argparse.ArgumentParser(
        prog=program, description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="the run folder")
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), default="validation", help="a split with labels"
    )
    parser.add_argument("--output", type=Path, help="folder of evaluation-SPLIT.json; default: the run folder")
    parser.add_argument("--tta", metavar="LIST", help="figures over several views: mirror,scales=0.9:1.1,crops=5")
    add_processes_option(parser)
    return run_command(parser, _evaluate, arguments)
