"""The launch scripts' common part: --help, errors without a traceback, and exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..config import Config, help_text, parse_command_line
from ..core.control_characters import EscapingFormatter, escape_control
from ..core.errors import EXIT_CODE, UserError

_WAIT_SECONDS = 5.0  # for the first process to print an error that all have


def run_script(
    name: str, summary: str, switches: Mapping[str, str], main: Callable[[Config, dict[str, Any]], int]
) -> int:
    """Call `main` with a config and the script's own switches, both from the command line; report errors."""
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text(f"launch/{name}", summary.strip(), switches))
        return 0
    return run_and_report_errors(lambda: main(*parse_command_line(arguments, switches)))


def run_command(parser: argparse.ArgumentParser, main: Callable[[argparse.Namespace, list[str]], int]) -> int:
    """Call `main` with the parser's options and the arguments that are none of them, such as knobs; report errors."""
    options, rest = parser.parse_known_args()
    return run_and_report_errors(lambda: main(options, rest))


def run_and_report_errors(main: Callable[[], int]) -> int:
    """Call `main`, and turn a UserError into messages and exit code 2."""
    forget_scripts()
    if logging.lastResort is not None:  # it prints the warnings of a script, which sets up no logging
        logging.lastResort.setFormatter(EscapingFormatter())
    try:
        return main()
    except UserError as error:
        # An error that every process has is printed by the first one of each host, which must not be ended before.
        is_first = int(os.environ.get("LOCAL_RANK" if error.everywhere else "RANK", 0)) == 0
        if not is_first:
            # Most errors occur in every process, and the first one prints them. If this one occurred here only, the
            # others are still alive after a while, and this process must print it.
            time.sleep(_WAIT_SECONDS)
            if error.everywhere:
                return EXIT_CODE
        for problem in error.problems:
            text = escape_control(problem).replace("\n", "\n       ")  # no further line begins with "error:"
            print(f"error: {text}", file=sys.stderr, flush=True)
        return EXIT_CODE


def forget_scripts() -> None:
    """Import no script in place of a library: Python searches the script's own folder first, and evaluate.py is there.

    Call it before anything imports the library `evaluate`.
    """
    folder = Path(sys.argv[0]).resolve().parent
    if (folder / "evaluate.py").is_file():
        sys.path = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]
