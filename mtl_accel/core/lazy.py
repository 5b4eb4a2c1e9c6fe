"""Imports that wait until a name is used, or that not every system has."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def lazy_dir(module: Mapping[str, Any], homes: Mapping[str, str]) -> Callable[[], list[str]]:
    """The `__dir__` of such a package, with `module` its globals: it lists the names without an import."""
    return lambda: sorted({*module, *homes})


def lazy_getattr(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package whose names live in some of its modules: {name: module, relative to it}."""

    def attribute(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f".{homes[name]}", package), name)

    return attribute


def import_of_system(name: str) -> ModuleType | None:
    """Import a module that Python has on some systems only; None where it has none."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
