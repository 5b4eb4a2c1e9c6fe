"""What a sweep sees of a run, without a training: the lock, config, status and log of a run folder, in no time.

Called as launch/train.py is, or as its launcher. The better log10(lr) meets -3, the better its metrics. A run whose
name holds the text in the file HOLD, beside the run folders, stays at work until that file is gone; FAIL likewise.
"""

import json
import os
import socket
import sys
import time
from pathlib import Path

from mtl_accel.config import read_config
from mtl_accel.core import atomic_io
from mtl_accel.launching.interrupts import EXIT_CODE, Interrupts
from mtl_accel.runs.lock import lock_run_folder


def named_in(run_dir: Path, file: str) -> bool:
    path = run_dir.parent / file
    return path.is_file() and path.read_text() in run_dir.name


def main() -> int:
    config = read_config(sys.argv[sys.argv.index("--config") + 1])
    run_dir = Path(config.run_dir)
    value = 1 - (abs(config.optimizer.lr) - 0.001) ** 2 + config.seed / 1000
    metrics = {"category/accuracy": value, "attribute/f1_macro": value / 2, "loss": 1 - value}

    def status(word: str, **values) -> None:
        row = {"status": word, **values, "host": socket.gethostname(), "pid": os.getpid(), "time": time.time()}
        atomic_io.write_json(run_dir / "status.json", row)

    with Interrupts() as interrupts, lock_run_folder(run_dir):
        atomic_io.write_json(run_dir / "config.json", config.model_dump(mode="json", by_alias=True))
        with (run_dir / "starts.txt").open("a") as file:
            file.write("started\n")
        status("running")
        while named_in(run_dir, "HOLD"):
            time.sleep(0.01)
            if interrupts.stop_requested:
                status("stopped", message=interrupts.reason)
                return EXIT_CODE
        if named_in(run_dir, "FAIL"):
            status("failed", message="a failure that was asked for")
            return 1
        rows = [
            {"event": "epoch", "epoch": 1, "train": metrics, "validation": metrics, "seconds": 1.0},
            {"event": "end", "status": "finished", "best_epoch": 1, "best": metrics},
        ]
        (run_dir / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        status("finished")
    return 0


if __name__ == "__main__":
    sys.exit(main())
