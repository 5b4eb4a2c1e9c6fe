"""Put runs side by side on one page: python launch/report.py runs/v4 runs/v5 --output report.html"""

from __future__ import annotations

import argparse
import sys

import mtl_accel
from mtl_accel.launching.console import run_and_report_errors


def main(runs: list[str], output: str) -> int:
    print(f"report: {mtl_accel.write_report(runs, output)}")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run; compared with the one before it")
    parser.add_argument("--output", default="report.html", help="page to write; tables as .md and .csv go beside it")
    options = parser.parse_args()
    sys.exit(run_and_report_errors(lambda: main(options.runs, options.output)))
