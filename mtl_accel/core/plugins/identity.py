"""The name, the version and the hash of a plugin: a module or a package, known by its name at the top."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import inspect
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

GROUP = "mtl_accel.plugins"  # of entry points
SCRIPT = "__main__"
SCRIPTS = (SCRIPT, "__mp_main__")  # the latter in the processes of a loader
_CODE = (".py", ".so", ".pyd")


@dataclass(frozen=True)
class Plugin:
    """A plugin as it lies here.

    Attributes:
        name: of its module or package; of a script its file's name, and "__main__" of a notebook.
        distribution: the installed package that it comes from; None: none.
        version: of the distribution, else the module's own `__version__`.
        sha256: of a file its own; of a package that of the list of its files of code with their hashes.
        path: the file, or the folder of the package; None of a notebook.
    """

    name: str
    distribution: str | None
    version: str | None
    sha256: str
    path: Path | None


_known: dict[str, Plugin] = {}


def plugin_name(module: str) -> str:
    """Name of the plugin that a module belongs to."""
    if module in SCRIPTS:
        file = getattr(sys.modules.get(SCRIPT), "__file__", None)
        return Path(file).stem if file else SCRIPT
    top, *below = module.split(".")
    is_namespace = getattr(sys.modules.get(top), "__file__", None) is None and top in sys.modules
    return f"{top}.{below[0]}" if is_namespace and below else top


def describe_plugin(name: str, modules: Iterable[str], targets: Iterable[Any]) -> Plugin:
    """Describe a plugin; kept until `forget_plugin`, so that the hash is that of the code that was imported.

    Args:
        modules: of what it registered.
        targets: what it registered.
    """
    if name not in _known:
        _known[name] = _describe(name, SCRIPT if set(modules) & set(SCRIPTS) else name, targets)
    return _known[name]


def forget_plugin(name: str) -> None:
    """Look at a plugin anew when it is described next."""
    _known.pop(name, None)


def _describe(name: str, module_name: str, targets: Iterable[Any]) -> Plugin:
    module = sys.modules.get(module_name) or ModuleType(module_name)
    path = module_path(module)
    distribution = None if module_name == SCRIPT else _distribution(name.partition(".")[0])
    version = getattr(module, "__version__", None) if distribution is None else distribution.version
    return Plugin(
        name=name,
        distribution=None if distribution is None else distribution.metadata["Name"],
        version=version if isinstance(version, str) else None,
        sha256=_digest_of_sources(targets) if path is None else digest(path),
        path=path,
    )


def module_path(module: ModuleType) -> Path | None:
    """The file of a module, or the folder of a package; None where there is none."""
    if module.__name__ == SCRIPT or not hasattr(module, "__path__"):
        file = getattr(module, "__file__", None)
        return Path(file).resolve() if file and Path(file).is_file() else None
    folders = [Path(folder) for folder in module.__path__ if Path(folder).is_dir()]
    return folders[0].resolve() if folders else None


def digest(path: Path) -> str:
    """SHA-256 of a file, or of the code of a folder: of the lines "NAME HASH" of its files in order."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    files = sorted(file for file in path.rglob("*") if file.suffix in _CODE and file.is_file())
    lines = [f"{file.relative_to(path).as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _digest_of_sources(targets: Iterable[Any]) -> str:
    """SHA-256 of the source texts of classes and functions, as of a notebook's cells; of their names without one."""
    return hashlib.sha256("\n".join(map(_source_of, targets)).encode()).hexdigest()


def _source_of(target: Any) -> str:
    try:
        return inspect.getsource(target)
    except (OSError, TypeError):
        return str(getattr(target, "__qualname__", target))


def _distribution(top: str) -> importlib.metadata.Distribution | None:
    """The installed distribution that a module at the top belongs to: that of its entry point, or one of its name."""
    for entry in entry_points():
        if entry.dist is not None and entry.module.partition(".")[0] == top:
            return entry.dist
    try:
        found = importlib.metadata.distribution(top)
    except importlib.metadata.PackageNotFoundError:
        return None
    return found if any(file.parts[0] in (top, f"{top}.py") for file in found.files or ()) else None


@functools.cache
def entry_points() -> tuple[importlib.metadata.EntryPoint, ...]:
    """The installed plugins, in the order of their names."""
    return tuple(sorted(importlib.metadata.entry_points(group=GROUP), key=lambda entry: entry.name))
