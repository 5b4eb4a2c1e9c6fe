"""Predict a split: mtl-accel predict --run runs/v5 --output predictions/v5 [--data.KEY VALUE ...]

Writes predictions.parquet and one submission a task. Other data than the run's own is named as in a config, such as
--data.source my_photos; it needs no labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mtl_accel

from ...config import read_run_config
from ..console import run_command
from ..processes import add_processes_option


def _predict(options: argparse.Namespace, rest: list[str]) -> int:
    files = mtl_accel.predict(**vars(options), config=read_run_config(options.run, rest, whole=True))
    for path in files:
        print(path, flush=True)
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel predict", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    return run_command(_parser(program, description), _predict, arguments)


def _parser(program: str, description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("--run", type=Path, required=True, help="folder of a finished run")
    parser.add_argument("--output", type=Path, required=True, help="folder for what is written")
    parser.add_argument("--split", choices=("train", "validation", "test"), default="test", help="default: test")
    parser.add_argument("--probabilities", action="store_true", help="also those of each class and label")
    parser.add_argument("--flip", action="store_true", help="decide by the mean over each picture and its mirror image")
    parser.add_argument("--tta", metavar="LIST", help="the same over several views: mirror,scales=0.9:1.1,crops=5")
    parser.add_argument(
        *("--sample_submission", "--sample-submission"),
        metavar="[TASK=]CSV",
        action="append",
        default=[],
        help="columns, ids and order of a task's submission; may be given once a task",
    )
    parser.add_argument(
        *("--multilabel_form", "--multilabel-form"),
        choices=("columns", "list"),
        default="columns",
        help="of submissions without a sample: 0/1 columns (default), or the names of the labels in one cell",
    )
    parser.add_argument("--raw", action="store_true", help="leave cells that a spreadsheet would run as they are")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_processes_option(parser)
    return parser
