"""What the launch scripts share: --help, errors without a traceback, and exit codes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..config import Config, help_text, parse
from ..core.errors import EXIT_CODE, UserError

_SECONDS_FOR_THE_FIRST = 5.0


def run_script(
    name: str, summary: str, switches: Mapping[str, str], main: Callable[[Config, dict[str, Any]], int]
) -> int:
    """Parse the command line, call `main`, and tell what the user got wrong."""
    arguments = sys.argv[1:]
    if "--help" in arguments or "-h" in arguments:
        print(help_text(f"launch/{name}", summary.strip(), switches))
        return 0
    return run_and_report_errors(lambda: main(*parse(arguments, switches)))


def run_and_report_errors(main: Callable[[], int]) -> int:
    """Call `main`, and turn what the user got wrong into messages and exit code 2."""
    forget_scripts()
    try:
        return main()
    except UserError as error:
        # Of an error that every process has, the first one of each host speaks; it must not be ended before.
        is_first = int(os.environ.get("LOCAL_RANK" if error.everywhere else "RANK", 0)) == 0
        if not is_first:
            # Most errors are met by every process alike, and the first one prints them. When only this one met
            # it, the others are still alive after a while, and it must speak for itself.
            time.sleep(_SECONDS_FOR_THE_FIRST)
            if error.everywhere:
                return EXIT_CODE
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr, flush=True)
        return EXIT_CODE


def forget_scripts() -> None:
    """Import no script in a library's place: Python looks into the script's own folder first, and there is evaluate.py.

    What imports the library `evaluate` must not be imported before.
    """
    folder = Path(sys.argv[0]).resolve().parent
    if (folder / "evaluate.py").is_file():
        sys.path = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]
