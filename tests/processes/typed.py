"""Commands as a reader types them in a folder. A Python script is a fork of a process that imported torch already."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import real_runs as runs


def main(arguments: list[str], environment: dict[str, str], printed: Path) -> None:
    """What `python SCRIPT ...` or `mtl-accel ...` does in a folder.

    arguments: the folder, the script or "mtl-accel", and what is handed to it.
    """
    os.environ.update(environment)
    folder, *sys.argv = arguments
    os.chdir(folder)
    is_script = sys.argv[0] != "mtl-accel"
    if is_script:
        sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    # Else the loader's workers come from a server of their own, which imports everything for seconds.
    multiprocessing.set_start_method("fork", force=True)
    with printed.open("a") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    if is_script:
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        runpy.run_module("mtl_accel", run_name="__main__")


def type_in(folder: Path, command: str, environment: dict[str, str], ctrl_c_after: str = "") -> tuple[int, str]:
    """Run one command in a folder: its exit code, and what it printed.

    Args:
        ctrl_c_after: Ctrl-C is pressed once this text was printed; "": never.
    """
    program, *arguments = shlex.split(command)
    if program not in ("python", "mtl-accel"):
        shell = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(
            shell, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr
    printed = Path(tempfile.mkstemp(prefix="printed-")[1])
    started = runs.fork(
        main, [str(folder), *([program] if program == "mtl-accel" else []), *arguments], dict(environment), printed, 1
    )
    while ctrl_c_after and started.alive():
        if ctrl_c_after in started.output():
            started.send_signal(signal.SIGINT)
            break
        time.sleep(0.02)
    try:
        return runs.finish(started)
    finally:
        printed.unlink()
