"""The common part of all commands: --help, errors without a traceback, and exit codes."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..config import Config, help_text, parse_command_line
from ..core.control_characters import EscapingFormatter, escape_control
from ..core.errors import EXIT_CODE, UserError
from ..core.plugins.loading import MEANING as PLUGIN_MEANING
from ..core.plugins.loading import OPTION as PLUGIN
from ..core.plugins.loading import take_plugins
from ..launching import parent
from .processes import check_count, run_processes
from .streams import survive_lost_readers

_WAIT_SECONDS = 5.0  # for the first process to print an error that all have


def run_script(
    program: str,
    description: str,
    switches: Mapping[str, str],
    main: Callable[[Config, dict[str, Any]], int],
    arguments: Sequence[str] | None = None,
) -> int:
    """Call `main` with a config and the command's own switches, both from the command line; report errors.

    Args:
        program: what the user has typed, such as "launch/train.py".
        switches: name and meaning of the options that are no knobs.
        arguments: None: those of the process.
    """
    survive_lost_readers()
    words = sys.argv[1:] if arguments is None else list(arguments)

    def run() -> int:
        rest = take_plugins(words)
        if "--help" in rest or "-h" in rest:
            print(help_text(program, description.strip(), {**switches, PLUGIN.removeprefix("--"): PLUGIN_MEANING}))
            return 0
        config, own = parse_command_line(rest, switches)
        count = check_count(own.pop("processes", 1))
        return run_processes(program, words, count) if count > 1 else main(config, own)

    return run_and_report_errors(run)


def run_command(
    parser: argparse.ArgumentParser,
    main: Callable[[argparse.Namespace, list[str]], int],
    arguments: Sequence[str] | None = None,
    *,
    takes_knobs: bool = True,
) -> int:
    """Call `main` with the parser's options and the arguments that are none of them; report errors.

    Args:
        arguments: None: those of the process.
        takes_knobs: whether there may be such arguments.
    """
    survive_lost_readers()
    words = sys.argv[1:] if arguments is None else list(arguments)
    # It is taken before the parser sees the arguments, and stands here for --help.
    parser.add_argument(PLUGIN, metavar="FILE_OR_MODULE", default=argparse.SUPPRESS, help=PLUGIN_MEANING)

    def run() -> int:
        own = take_plugins(words)
        options, rest = parser.parse_known_args(own) if takes_knobs else (parser.parse_args(own), [])
        count = check_count(vars(options).pop("processes", 1))
        return run_processes(parser.prog, words, count) if count > 1 else main(options, rest)

    return run_and_report_errors(run)


def run_and_report_errors(main: Callable[[], int]) -> int:
    """Call `main`, and turn a UserError into messages and exit code 2."""
    forget_scripts()
    if logging.lastResort is not None:  # it prints the warnings of a script, which sets up no logging
        logging.lastResort.setFormatter(EscapingFormatter())
    try:
        return main()
    except UserError as error:
        _report(error)
        return EXIT_CODE


def _report(error: UserError) -> None:
    """Print the problems, or hand them to the parent that prints them last."""
    # No further line of a problem begins with "error:".
    lines = ["error: " + escape_control(problem).replace("\n", "\n       ") for problem in error.problems]
    if parent.hand_over(lines):
        return
    # An error that every process has is printed by the first one of each host, which must not be ended before.
    is_first = int(os.environ.get("LOCAL_RANK" if error.everywhere else "RANK", 0)) == 0
    if not is_first:
        # Most errors occur in every process, and the first one prints them. If this one occurred here only, the
        # others are still alive after a while, and this process must print it.
        time.sleep(_WAIT_SECONDS)
        if error.everywhere:
            return
    for line in lines:
        print(line, file=sys.stderr, flush=True)
    _tell_torchrun("\n".join(lines))


def _tell_torchrun(message: str) -> None:
    """Write the file from which torchrun takes the cause of a failure, which it prints last."""
    if path := os.environ.get("TORCHELASTIC_ERROR_FILE"):
        cause = {"message": message, "extraInfo": {"timestamp": str(int(time.time()))}}
        with suppress(OSError):  # its folder may be gone, and the message is on the screen
            Path(path).write_text(json.dumps({"message": cause}), encoding="utf-8")


def forget_scripts() -> None:
    """Import no script in place of a library: Python searches the script's own folder first, and evaluate.py is there.

    For `python -m` that folder is the working one, where a user may have an evaluate.py as well. Call it before
    anything imports the library `evaluate`.
    """
    folders = {Path(sys.argv[0]).resolve().parent, Path.cwd()}
    with_script = {folder for folder in folders if (folder / "evaluate.py").is_file()}
    sys.path = [entry for entry in sys.path if Path(entry).resolve() not in with_script]
