"""Find a learning rate by a range test: mtl-accel find-lr --config v5 [--KEY VALUE ...]

It trains for some steps with a rate that rises, draws the losses, and prints the rate to give on the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mtl_accel

from .. import processes
from ..console import run_script

SWITCHES = {
    "config": "JSON file of the run.",
    "processes": processes.HELP,
    "steps": "Steps of the whole range (100); fewer are made where the loss diverges before its end.",
    "min_lr": "First learning rate (1e-7).",
    "max_lr": "Last learning rate (10).",
    "output": "PNG to write, and a JSON file beside it (RUN_DIR-lr.png).",
}


def _find_lr(config: mtl_accel.Config, options: dict[str, Any]) -> int:
    finding = mtl_accel.find_lr(config, **options)
    if finding.picture is not None:  # on the main process
        print(finding.summary(), flush=True)
    return 0


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel find-lr", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    return run_script(program, description or "", SWITCHES, _find_lr, arguments)
