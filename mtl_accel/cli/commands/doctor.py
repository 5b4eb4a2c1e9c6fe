"""Look a data set over before training: mtl-accel doctor --config v5 [--data.source my_photos]

Without --config and --run it guesses a config, which --write keeps: --data.source my_photos --write config.json.
It trains nothing. Exit code 0: nothing is wrong; 1: warnings; 2: errors that keep a run from starting.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import mtl_accel

from ...config import parse_overrides, read_config, read_data_config, read_run_config
from ...core.control_characters import one_line
from ...core.errors import UserError
from ...preflight.diagnosis.findings import Severity
from ..console import run_command


def _doctor(options: argparse.Namespace, rest: list[str]) -> int:
    given = [name for name in ("config", "run", "write") if getattr(options, name)]
    if len(given) > 1:
        raise UserError(f"--{given[0]} and --{given[1]}: give one of them; --write keeps a config that is guessed")
    if options.config or options.run:
        config = (
            read_config(options.config, parse_overrides(rest))
            if options.config
            else read_run_config(options.run[0], rest)
        )
        diagnosis = mtl_accel.diagnose(config, output=options.output, runs=options.run, run_data=rest)
    else:
        suggestion = mtl_accel.suggest_config(read_data_config(rest), options.write or "config.json")
        for line in suggestion.notes:
            print(one_line(f"suggested: {line}"), flush=True)
        if options.write:
            suggestion.write(options.write)
            print(f"config: {options.write}", flush=True)
        diagnosis = mtl_accel.diagnose(suggestion.config, output=options.output, findings=[suggestion.finding()])
    for severity in (Severity.ERROR, Severity.WARNING):
        for finding in diagnosis.of(severity):
            print(one_line(f"{severity.title}: {finding.title}"), flush=True)
    print(f"diagnosis: {options.output}")
    return diagnosis.exit_code


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel doctor", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    parser = argparse.ArgumentParser(
        prog=program, description=description, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, help="JSON config whose data and tasks are looked over")
    parser.add_argument(
        "--run",
        type=Path,
        action="append",
        default=[],
        help="finished run in whose validation labels errors are looked for; several, such as those of all folds",
    )
    parser.add_argument("--write", type=Path, help="file for the config that is guessed for a --data.source")
    parser.add_argument(
        "--output", type=Path, default=Path("doctor.html"), help="page to write; .md and .json go beside it"
    )
    return run_command(parser, _doctor, arguments)
