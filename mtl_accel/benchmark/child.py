"""python -m mtl_accel.benchmark.child MEASUREMENT REQUEST ANSWER: one measurement in a fresh process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config import Config, validate
from ..core.errors import EXIT_CODE, UserError
from .contest import contest
from .settings import Settings, read_settings
from .start import measure_start

MEASUREMENTS: dict[str, Callable[[Config, Settings], dict[str, Any]]] = {
    "start": lambda config, settings: dict(measure_start(config, settings.steps)),
    "loops": lambda config, settings: contest(config, settings, only_loops=True),
}


def main(measurement: str, request: str, answer: str) -> int:
    arrived = time.time()
    asked = json.loads(Path(request).read_text())
    try:
        found = MEASUREMENTS[measurement](validate(asked["config"], request), read_settings(asked["settings"]))
    except UserError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr, flush=True)
        return EXIT_CODE
    # Of this process, up to here: Python itself and every import.
    found["import_seconds"] = arrived - asked["began"]
    Path(answer).write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
