"""Put runs side by side on one page: mtl-accel report runs/v4 runs/v5 --output report.html"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import mtl_accel

from ..console import run_command


def _report(options: argparse.Namespace, _rest: list[str]) -> int:
    print(f"report: {mtl_accel.write_report(options.runs, options.output)}")
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel report", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    parser = argparse.ArgumentParser(prog=program, description=description, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run; compared with the one before it")
    parser.add_argument("--output", default="report.html", help="page to write; tables as .md and .csv go beside it")
    return run_command(parser, _report, arguments, takes_knobs=False)
