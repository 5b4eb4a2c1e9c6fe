"""A process of a launch that ends at once, and loads nothing: python -m ending END_OF_RANK_0 END_OF_RANK_1 ...

An end is an exit code, the name of a signal, "sleep" for being ended by the launcher, "error" for an error of the
user's, or "wait" for a signal, which it prints before it ends as a run that was stopped.
"""

import importlib
import os
import signal
import sys
import time
from pathlib import Path

from mtl_accel.cli.console import run_and_report_errors
from mtl_accel.core.errors import UserError
from mtl_accel.launching.interrupts import EXIT_CODE, Interrupts


def end() -> int:
    rank = int(os.environ["RANK"])
    kind = sys.argv[1:][rank]
    if kind == "error":
        raise UserError("the same on every process", everywhere=True)
    if kind.startswith("SIG"):
        os.kill(os.getpid(), signal.Signals[kind])
    if kind == "sleep":
        time.sleep(600)
    if kind == "wait":
        with Interrupts() as interrupts:
            print(f"{rank} waits", flush=True)
            while not interrupts.stop_requested:
                time.sleep(0.02)
            print(f"{rank} got {interrupts.reason}", flush=True)
        return EXIT_CODE
    return int(kind)


def meet(folder: Path) -> None:
    """Wait for the other processes, and ignore the launcher, so that each of them ends in its own way."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL if "sleep" in sys.argv else signal.SIG_IGN)
    (folder / f"here-{os.getpid()}").touch()
    while len(list(folder.glob("here-*"))) < int(os.environ["WORLD_SIZE"]):
        time.sleep(0.01)


def launch(arguments: list[str], environment: dict[str, str], printed: Path) -> None:
    """What starts the processes, as a fork of a process that has torch."""
    os.environ.update(environment)
    with printed.open("a") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    run_processes = importlib.import_module("mtl_accel.launching").run_processes  # torch, which its processes lack
    sys.exit(run_and_report_errors(lambda: run_processes("ending", arguments, len(arguments))))


if __name__ == "__main__":
    meet(Path(os.environ["TORCHELASTIC_ERROR_FILE"]).parents[1])
    sys.exit(run_and_report_errors(end))
