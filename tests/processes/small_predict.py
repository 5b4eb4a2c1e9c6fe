"""launch/predict.py with the small pair, as forks of a process that imported all of it, or under a launcher.

Other scripts about a run have the same needs: `main` takes theirs, too.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import sys
import tempfile
from pathlib import Path

import real_runs as runs
import small_run
from gloo_lines import without_gloo

from mtl_accel import models

SCRIPT = runs.ROOT / "launch" / "predict.py"


def main(
    arguments: list[str],
    environment: dict[str, str] | None = None,
    printed: Path | None = None,
    script: Path = SCRIPT,
) -> None:
    """The script; a fork of a test's process brings its environment and the file that it prints into."""
    os.environ.update(environment or {})
    sys.argv = [str(script), *arguments]
    if printed is not None:
        multiprocessing.set_start_method("fork", force=True)
        with printed.open("a") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
    models.MODELS |= {"small": small_run.Small}
    runpy.run_path(str(script), run_name="__main__")


def predict(folder: Path, *arguments: str, processes: int = 1) -> tuple[int, str]:
    """The first exit code that is not 0, and what was printed; `folder` takes a file."""
    printed = Path(tempfile.mkstemp(dir=folder, prefix="printed-")[1])
    code, output = runs.finish(runs.fork(main, list(arguments), {"ACCELERATE_USE_CPU": "true"}, printed, processes))
    return code, without_gloo(output)


if __name__ == "__main__":
    main(sys.argv[1:])
