"""From the options of launch/sweep.py to the arguments of `sweep`, every problem at once."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..config import parse_overrides, read_json
from ..config.reading import parse_json
from ..core.errors import UserError, collect


def sweep_arguments(options: Mapping[str, Any], rest: Sequence[str], train: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of `sweep`.

    Args:
        options: config, output, grid, variants, seeds, launch, run_processes, search and trials, as text where they
            are JSON.
        rest: of the command line: knobs of every run.
        train: what Python or a launcher is given to start a run, such as ["launch/train.py"].

    Raises:
        UserError: for wrong JSON, seeds and knobs, a launcher that is not there, and a sweep started by a launcher.
    """
    problems: list[str] = []
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        problems.append(
            "a sweep is one process, which starts the runs: start it by python, and give the launcher of the runs by "
            '--launch "accelerate launch ..."'
        )
    readers: dict[str, Callable[[], Any]] = {
        "command": lambda: _command(options["launch"], options["run_processes"], train),
        "grid": lambda: _object("--grid", options["grid"]),
        "variants": lambda: options["variants"] and read_json(options["variants"], "--variants"),
        "seeds": lambda: _seeds(options["seeds"]),
        "overrides": lambda: parse_overrides(rest),
        "search": lambda: _object("--search", options["search"]),
    }
    arguments = {"configs": options["config"], "output": options["output"], "trials": options["trials"]}
    for name, read in readers.items():
        with collect(problems):
            arguments[name] = read()
    if problems:
        raise UserError(problems)
    return arguments


def _command(launch: str | None, processes: int | None, train: Sequence[str]) -> list[str]:
    if launch is not None and processes is not None:
        raise UserError("--launch and --processes exclude one another; the launcher says how many processes there are")
    try:
        words = shlex.split(launch) if launch is not None else [sys.executable]
    except ValueError as error:
        raise UserError(f"--launch: {launch!r} cannot be split into words ({error})") from None
    if not words or shutil.which(words[0]) is None:
        raise UserError(f'--launch: {launch!r} does not start with a program that is here, such as "accelerate launch"')
    return [*words, *train, *(() if processes is None else ("--processes", str(processes)))]


def _object(name: str, text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    value = parse_json(text, name)
    if not isinstance(value, dict):
        raise UserError(f"{name}: must be an object of knobs by their dotted paths (got {json.dumps(value)})")
    return value


def _seeds(text: str | None) -> list[int]:
    words = [] if text is None else [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise UserError(f"--seeds: {text!r} must be integers with commas between them, such as 0,1,2")
    return [int(word) for word in words]
