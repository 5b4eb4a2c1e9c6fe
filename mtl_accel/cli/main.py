"""The command `mtl-accel`: the name of a command, and what follows for it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..config.knobs import did_you_mean
from ..core.errors import UserError
from .commands import COMMANDS
from .console import run_and_report_errors
from .streams import survive_lost_readers

_HELP = "-h", "--help", "help"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. `arguments`: None: those of the process."""
    survive_lost_readers()
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["help"]
    if name in COMMANDS:
        return int(COMMANDS[name].main(rest))
    if name in _HELP:
        print(help_text())
        return 0
    return run_and_report_errors(lambda: _refuse(name))


def help_text() -> str:
    """List the commands, one line each."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            "usage: mtl-accel COMMAND [options]",
            "",
            "Train one image network for several labels at once.",
            "",
            "commands:",
            *(f"  {name:{width}}  {(module.__doc__ or '').partition(':')[0]}" for name, module in COMMANDS.items()),
            "",
            "mtl-accel COMMAND --help lists the options of a command.",
        ]
    )


def _refuse(name: str) -> int:
    raise UserError(f"{name}: no such command; the commands are {', '.join(COMMANDS)}{did_you_mean(name, COMMANDS)}")
