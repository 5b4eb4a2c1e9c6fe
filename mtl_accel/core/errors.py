"""What a user got wrong: raised as one error that lists every problem, printed without a traceback."""

from __future__ import annotations

from collections.abc import Sequence

EXIT_CODE = 2  # of a launch script that ends with a UserError


class UserError(ValueError):
    """One or more problems that the user can fix.

    Every message names the value, the place (file, row or key), the rule and the fix.

    Args:
        everywhere: every process of the launch raises it, so that one of each host is enough to print it.
    """

    def __init__(self, problems: str | Sequence[str], *, everywhere: bool = False) -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        self.everywhere = everywhere
        super().__init__("\n".join(self.problems))
