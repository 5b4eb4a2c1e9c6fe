"""A process as on Windows: trains, stops, resumes, evaluates and predicts a config.

It lacks the modules of POSIX, and cannot rename or delete what is open or mapped. From mtl_accel's modules functions
and signals are taken, too, and they read in sys.platform that it is Windows; libraries choose by these what cannot run
here. Each of the loader's workers is such a process and takes seconds to start, so they load for two of the five.
"""

import importlib
import importlib.abc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

MODULES = ("fcntl", "resource", "pwd", "grp")
LIBRARIES = ("torch.utils.data", "accelerate", "datasets", "sklearn.metrics", "evaluate")
OF_SIGNAL = ("SIGUSR1", "SIGUSR2", "SIGKILL", "SIGHUP")
OF_OS = ("sched_getaffinity", "fork", "forkpty", "register_at_fork", "statvfs", "sysconf", "pwrite", "pread", "killpg")
OF_OS += ("O_DIRECTORY", "setsid", "getuid", "geteuid", "mkfifo", "fchmod")
LACKING = {os: OF_OS, signal: OF_SIGNAL, sys: ()}
CHANGES = ("rename", "replace", "unlink", "remove", "rmdir")


class Missing(importlib.abc.MetaPathFinder):
    """Finds no module of POSIX."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r} here", name=name)


def pretend_windows() -> None:
    """Leave this process with what Windows has."""
    importlib.import_module("psutil")  # on Linux it needs what it does without elsewhere
    sys.meta_path.insert(0, Missing())
    for name in MODULES:
        sys.modules.pop(name, None)
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in CHANGES:
        setattr(os, name, refusing_open_files(getattr(os, name)))


class Lacking:
    """A module without some of its names."""

    def __init__(self, module: ModuleType, lacks: Sequence[str], **others: Any) -> None:
        self._module, self._lacks = module, lacks
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        if name in self._lacks:
            raise AttributeError(f"{self._module.__name__} has no {name} here")
        return getattr(self._module, name)


def tell_modules_of(package: str) -> None:
    """Let the modules of a package that are imported by now find what Windows has in `os`, `signal` and `sys`."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == package:
            for other in LACKING:
                if hasattr(module, other.__name__):
                    setattr(module, other.__name__, Lacking(other, LACKING[other], platform="win32"))


def refusing_open_files(function: Callable[..., Any]) -> Callable[..., Any]:
    """os.rename and its kin, as Windows has them."""

    def checked(path: Any, *rest: Any, **options: Any) -> Any:
        paths = [path, *rest[:1]] if function.__name__ in ("rename", "replace") else [path]
        taken = [] if "dir_fd" in options else [str(Path(each).absolute()) for each in paths]
        if found := [file for file in open_files() for each in taken if file == each or file.startswith(f"{each}/")]:
            raise PermissionError(13, f"{function.__name__} of what is open: {found[0]}", str(path))
        return function(path, *rest, **options)

    return checked


def open_files() -> set[str]:
    """Paths that this process has open or mapped."""
    links = [file for file in Path("/proc/self/fd").iterdir() if file.is_symlink()]  # but that of this listing itself
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {str(link.readlink()) for link in links if link.exists()} | {line.split(maxsplit=5)[-1] for line in lines}


pretend_windows()  # in each worker, too: it imports this file

import mtl_accel  # noqa: E402
from mtl_accel import config as config_module  # noqa: E402
from mtl_accel.training import engine  # noqa: E402

tell_modules_of("mtl_accel")


def main(path: str) -> None:
    multiprocessing.set_start_method("spawn")
    config = config_module.validate(config_module.read_json(Path(path)), path)
    alone = config.model_copy(update={"data": config.data.model_copy(update={"num_workers": 0})})
    assert mtl_accel.train(config, debugging="batches").status == "finished"
    run_step, steps = engine.forward_backward, []

    def step_and_stop(*arguments: Any) -> Any:
        steps.append(1)
        if len(steps) == 2:
            signal.raise_signal(signal.SIGTERM)
        return run_step(*arguments)

    engine.forward_backward = step_and_stop
    assert mtl_accel.train(alone).status == "stopped"
    assert mtl_accel.train(alone).status == "finished"
    assert mtl_accel.evaluate(config.run_dir, config=alone)["split"] == "validation"
    assert mtl_accel.predict(config.run_dir, Path(config.run_dir).parent / "predictions", split="validation")


if __name__ == "__main__":
    main(sys.argv[1])
