"""Put runs side by side in the terminal: mtl-accel compare runs/v4 runs/v5

The best validation value of each task with its epoch, the best run first; for several seeds of a config, their means.
mtl-accel report writes the page with curves and labels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ... import report
from ...core.control_characters import escape_control
from ..console import run_command


def _compare(options: argparse.Namespace, _rest: list[str]) -> int:
    print(escape_control(report.compare_text(options.runs)))
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel compare", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    parser = argparse.ArgumentParser(
        prog=program, description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run")
    return run_command(parser, _compare, arguments, takes_knobs=False)
