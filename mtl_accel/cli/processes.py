"""The option --processes: a command starts itself so many times, through Accelerate's launcher."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import launching
from ..core.errors import UserError

HELP = "Start so many processes on this machine, one for each GPU, or on CPU cores where there is none."


def add_processes_option(parser: argparse.ArgumentParser) -> None:
    """Add the option to a command that may run in several processes."""
    parser.add_argument("--processes", type=int, default=1, metavar="N", help=HELP[0].lower() + HELP[1:-1])


def check_count(value: Any) -> int:
    """Check a number of processes. Raises UserError if it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UserError(f"--processes: must be a number of processes, such as 2 (got {value})")
    return value


def run_processes(program: str, arguments: Sequence[str], count: int) -> int:
    """Run a command in several processes; returns the exit code.

    Args:
        program: such as "mtl-accel train" or "launch/train.py".
        arguments: of the command, with --processes among them.
    """
    command = Path(program.split()[-1]).stem
    return launching.run_processes("mtl_accel", [command, *_without_option(arguments)], count)


def _without_option(arguments: Sequence[str]) -> list[str]:
    kept: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--processes":
            del rest[:1]
        elif not word.startswith("--processes="):
            kept.append(word)
    return kept
