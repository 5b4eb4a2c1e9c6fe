"""Runs one measurement in a process of its own, so that its memory, imports and precision are its own."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from ...config import Config, validate
from ...config.rules.plugin_uses import used_plugins
from ...core.errors import EXIT_CODE, UserError
from ...core.plugins.loading import load_plugin, plugins_of_children
from .settings import Settings, read_settings

Measurement = Callable[[Config, Settings], dict[str, Any]]  # a function of a module; its result fits JSON

# What torchrun gives a process to find the others by; the new process has no others.
_OF_A_GROUP = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def in_fresh_process(measurement: Measurement, config: Config, settings: Settings) -> dict[str, Any]:
    """Result of a measurement, and `import_seconds`: Python's own start and all imports.

    What the process prints goes to our stderr.

    Raises:
        UserError: the process did not end well.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _OF_A_GROUP}
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(request_of(measurement, config, settings)),
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise UserError(
            f"{measurement.__name__} in a process of its own failed with exit code {done.returncode}; its messages "
            "are above, and -9 means that the machine ran out of memory"
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def request_of(measurement: Measurement, config: Config, settings: Settings) -> dict[str, Any]:
    """Message from which `answer` calls the measurement, fit for JSON."""
    return {
        "measurement": f"{measurement.__module__}:{measurement.__qualname__}",
        "plugins": plugins_of_children(used_plugins(config)),
        "config": config.model_dump(mode="json", by_alias=True),
        "settings": settings.model_dump(mode="json"),
        "began": time.time(),
    }


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out a request of `request_of`."""
    measurement: Measurement = pkgutil.resolve_name(request["measurement"])
    for plugin in request["plugins"]:
        load_plugin(plugin)
    import_seconds = time.time() - request["began"]
    config, settings = validate(request["config"], "the config"), read_settings(request["settings"])
    return {**measurement(config, settings), "import_seconds": import_seconds}


def main() -> int:
    """Carry out the request on stdin, and write the answer to stdout, where nothing else is printed."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as stdout:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        try:
            json.dump(answer(json.load(sys.stdin)), stdout)
        except UserError as error:
            for problem in error.problems:
                print(f"error: {problem}", file=sys.stderr, flush=True)
            return EXIT_CODE
    return 0


if __name__ == "__main__":
    sys.exit(main())
