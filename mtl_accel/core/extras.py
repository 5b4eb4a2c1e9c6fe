"""Packages that one command alone needs: imported when it runs, and named with their extra where they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from .errors import UserError


def require(extra: str, *names: str) -> list[ModuleType]:
    """The modules of an extra of setup.cfg.

    Raises:
        UserError: one or more of them cannot be imported; the fix installs all.
    """
    found: list[ModuleType] = []
    problems: list[str] = []
    for name in names:
        try:
            found.append(importlib.import_module(name))
        except ImportError as error:  # noqa: PERF203 (all that are missing are told at once)
            problems.append(f"{name} cannot be imported ({error}); install it with: pip install 'mtl_accel[{extra}]'")
    if problems:
        raise UserError(problems)
    return found
