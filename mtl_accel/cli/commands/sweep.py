"""Run many configs: mtl-accel sweep --config v4 --config v5 --seeds 0,1,2 --output DIR

Every run has a process and a folder of its own. The same command continues where a sweep stopped. Any other option is a
knob of every run, such as --epochs 2.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import mtl_accel

from ...core.control_characters import one_line
from ...sweeping.arguments import sweep_arguments
from ..console import run_command


def _sweep(options: argparse.Namespace, rest: list[str], train: Sequence[str]) -> int:
    done = mtl_accel.sweep(**sweep_arguments(vars(options), rest, train))
    if done.members and not done.stopped:
        print(mtl_accel.write_comparison(done), flush=True)
    for name, message in done.failed.items():
        print(one_line(f"failed: {done.folder / name}: {message}"), file=sys.stderr, flush=True)
    return done.exit_code


def main(
    arguments: Sequence[str] | None = None,
    program: str = "mtl-accel sweep",
    description: str | None = __doc__,
    train: Sequence[str] = ("-m", "mtl_accel", "train"),
) -> int:
    """Run the command; returns its exit code.

    Args:
        arguments: None: those of the process.
        train: what Python or a launcher is given to start a run.
    """
    parser = argparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("--config", action="append", default=[], metavar="FILE", help="JSON file; several: one each")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the runs and the tables")
    parser.add_argument("--grid", metavar="JSON", help='values to combine, as {"optimizer.lr": [1e-3, 1e-4]}')
    parser.add_argument("--variants", type=Path, metavar="FILE", help='JSON file of {"no mixing": {"mixing": []}, ...}')
    parser.add_argument("--seeds", metavar="0,1,2", help="every combination with each; left out: the config's own")
    parser.add_argument("--launch", metavar="COMMAND", help='what starts a run, such as "accelerate launch --quiet"')
    parser.add_argument("--processes", dest="run_processes", type=int, metavar="N", help="of each run, in their stead")
    parser.add_argument("--search", metavar="JSON", help='{"optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": true}}')
    parser.add_argument("--trials", type=int, metavar="N", help="of --search, by Optuna")
    return run_command(parser, functools.partial(_sweep, train=train), arguments)
