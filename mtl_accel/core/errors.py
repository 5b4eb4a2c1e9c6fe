"""One error that lists everything a user got wrong; a missing package is one such problem."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

EXIT_CODE = 2  # of a launch script that ends with a UserError
MAX_LISTED = 10  # problems of one sort that an error spells out; the rest is a count


class UserError(ValueError):
    """One or more problems that the user can fix.

    Every message names the value, the place (file, row or key), the rule and the fix.

    Args:
        everywhere: every process of the launch raises it, so that it is enough if one of each host prints it.
    """

    def __init__(self, problems: str | Sequence[str], *, everywhere: bool = False) -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        self.everywhere = everywhere
        super().__init__("\n".join(self.problems))


def shorten(problems: list[str], what: str, *, limit: int = MAX_LISTED) -> list[str]:
    """The first `limit` problems, and how many more there are."""
    rest = len(problems) - limit
    return [*problems[:limit], f"... and {rest} more {what}"] if rest > 0 else problems


@contextmanager
def collect(problems: list[str]) -> Iterator[None]:
    """Add the problems of a UserError raised in the block to a list, so that further checks can follow."""
    try:
        yield
    except UserError as error:
        problems += error.problems


def import_extra(extra: str, *names: str) -> list[ModuleType]:
    """Import modules of an extra of setup.cfg.

    Raises:
        UserError: one or more of them cannot be imported; the fix installs all.
    """
    found: list[ModuleType] = []
    problems: list[str] = []
    for name in names:
        try:
            found.append(importlib.import_module(name))
        except ImportError as error:  # noqa: PERF203 (all that are missing are reported at once)
            problems.append(f"{name} cannot be imported ({error}); install it with: pip install 'mtl_accel[{extra}]'")
    if problems:
        raise UserError(problems)
    return found
