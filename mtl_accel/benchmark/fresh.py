"""Runs one measurement in a process of its own, so that its memory, imports and precision are its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ..config import Config
from ..core.errors import UserError
from .settings import Settings

# What torchrun gives a process to find the others by; the new process has no others.
_OF_A_GROUP = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def in_fresh_process(measurement: str, config: Config, settings: Settings) -> dict[str, Any]:
    """What a measurement of `child` gives; its messages go where ours go.

    Raises:
        UserError: the process did not end well.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_GROUP}
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder) / "request.json", Path(folder) / "answer.json"
        described = {
            "config": config.model_dump(mode="json", by_alias=True),
            "settings": settings.model_dump(mode="json"),
            "began": time.time(),
        }
        request.write_text(json.dumps(described))
        command = [sys.executable, "-m", "mtl_accel.benchmark.child", measurement, str(request), str(answer)]
        code = subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode
        if code:
            raise UserError(
                f"measuring {measurement!r} in a process of its own failed with exit code {code}; what it met "
                "stands above, and -9 means that the machine ran out of memory"
            )
        result: dict[str, Any] = json.loads(answer.read_text())
        return result
