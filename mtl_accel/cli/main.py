"""The command `mtl-accel`: the name of a command, and what follows for it."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from collections.abc import Sequence

import mtl_accel

from ..config.knobs import did_you_mean
from ..core.errors import UserError
from . import completion
from .commands import COMMANDS as OTHERS
from .console import run_and_report_errors
from .streams import survive_lost_readers

COMMANDS = {**OTHERS, "completion": completion}
_PACKAGES = ("torch", "torchvision", "accelerate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code. `arguments`: None: those of the process."""
    survive_lost_readers()
    name, *rest = (sys.argv[1:] if arguments is None else list(arguments)) or ["help"]
    if name in COMMANDS:
        return int(COMMANDS[name].main(rest))
    if name in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if name in ("-V", "--version", "version"):
        print(version_text())
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
            "mtl-accel COMMAND --help lists the options of a command, and mtl-accel --version the versions.",
        ]
    )


def version_text() -> str:
    """Versions of this package, of what it runs on, and of Python."""
    # Without an import of them: torch takes seconds.
    others = [f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES]
    return f"mtl_accel {mtl_accel.__version__} ({', '.join(others)}, Python {platform.python_version()})"


def _refuse(name: str) -> int:
    raise UserError(f"{name}: no such command; the commands are {', '.join(COMMANDS)}{did_you_mean(name, COMMANDS)}")
