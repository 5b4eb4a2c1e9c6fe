"""Train a config: mtl-accel train --config v5 [--KEY VALUE ...]"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mtl_accel

from .. import processes
from ..console import run_script

SWITCHES = {
    "config": "JSON file of the run.",
    "processes": processes.HELP,
    "resume": '"auto" (default): continue where an unfinished run stopped; "none"; or the folder of a run to continue.',
    "resume.allow_changes": "Resume although config or data have changed.",
    "overwrite": "Empty the run folder first.",
    "debug": "Two batches of everything (of at most 8 samples on a CPU), in a run folder of its own; "
    '"--debug overfit" learns one batch by heart.',
}


def _train(config: mtl_accel.Config, options: dict[str, Any]) -> int:
    debug = options.get("debug")
    result = mtl_accel.train(
        config,
        resume=str(options.get("resume", "auto")),
        overwrite=bool(options.get("overwrite", False)),
        allow_changes=bool(options.get("resume.allow_changes", False)),
        debugging="batches" if debug is True else debug or None,
    )
    return result.exit_code


def main(
    arguments: Sequence[str] | None = None, program: str = "mtl-accel train", description: str | None = __doc__
) -> int:
    """Run the command; returns its exit code. `arguments`: None: those of the process."""
    return run_script(program, description or "", SWITCHES, _train, arguments)
