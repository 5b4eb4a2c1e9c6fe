"""Run many configs: python launch/sweep.py --config configs/v4.json --config configs/v5.json --seeds 0,1,2 --output DIR

Every run has a process and a folder of its own. The same command continues where a sweep stopped. Any other option is a
knob of every run, such as --epochs 2.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import mtl_accel
from mtl_accel.core.control_characters import one_line
from mtl_accel.launching.console import run_command
from mtl_accel.sweeping.arguments import sweep_arguments


def main(options: argparse.Namespace, rest: list[str]) -> int:
    done = mtl_accel.sweep(**sweep_arguments(vars(options), rest, Path(__file__).with_name("train.py")))
    if done.members and not done.stopped:
        print(mtl_accel.write_comparison(done), flush=True)
    for name, message in done.failed.items():
        print(one_line(f"failed: {done.folder / name}: {message}"), file=sys.stderr, flush=True)
    return done.exit_code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", action="append", default=[], metavar="FILE", help="JSON file; several: one each")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the runs and the tables")
    parser.add_argument("--grid", metavar="JSON", help='values to combine, as {"optimizer.lr": [1e-3, 1e-4]}')
    parser.add_argument("--variants", type=Path, metavar="FILE", help='JSON file of {"no mixing": {"mixing": []}, ...}')
    parser.add_argument("--seeds", metavar="0,1,2", help="every combination with each; left out: the config's own")
    parser.add_argument("--launch", metavar="COMMAND", help='what starts a run, such as "accelerate launch --quiet"')
    parser.add_argument("--search", metavar="JSON", help='{"optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": true}}')
    parser.add_argument("--trials", type=int, metavar="N", help="of --search, by Optuna")
    sys.exit(run_command(parser, main))
