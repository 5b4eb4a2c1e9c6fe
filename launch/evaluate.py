"""Score a run's model: python launch/evaluate.py --run runs/v5 --split validation [--data.source my_photos]

It prints every metric with its 95% interval, and writes the same and more to evaluation-SPLIT.json.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mtl_accel
from mtl_accel.config import read_run_config
from mtl_accel.core.control_characters import escape_control
from mtl_accel.evaluation.table import format_table
from mtl_accel.launching.console import run_command


def main(options: argparse.Namespace, rest: list[str]) -> int:
    config = read_run_config(options.run, rest)
    row = mtl_accel.evaluate(options.run, options.split, config=config, output=options.output)
    if row:  # on the main process
        print(escape_control(format_table(row)), flush=True)
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True, help="the run folder")
    parser.add_argument(
        "--split", choices=("train", "validation", "test"), default="validation", help="a split with labels"
    )
    parser.add_argument("--output", type=Path, help="folder of evaluation-SPLIT.json; default: the run folder")
    sys.exit(run_command(parser, main))
